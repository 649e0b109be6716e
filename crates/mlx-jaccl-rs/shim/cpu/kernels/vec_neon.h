// Logical vectors of 16 floats or int32 as four NEON registers (AArch64).
#pragma once

#define MJ_TILE 6
struct vf { float32x4_t v[4]; };
struct vi { int32x4_t v[4]; };
struct vm { uint32x4_t v[4]; };
#define MJ_EACH(type, expr)                 \
  {                                         \
    type r;                                 \
    for (int i = 0; i < 4; i++) r.v[i] = (expr); \
    return r;                               \
  }
static inline vf ld(const float* p) MJ_EACH(vf, vld1q_f32(p + 4 * i))
static inline void st(float* p, vf a) { for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, a.v[i]); }
static inline vf ld_n(const float* p, int n) {
  float t[16] = {};
  for (int i = 0; i < n; i++) t[i] = p[i];
  return ld(t);
}
static inline void st_n(float* p, vf a, int n) {
  float t[16];
  st(t, a);
  for (int i = 0; i < n; i++) p[i] = t[i];
}
static inline vf bc(float x) MJ_EACH(vf, vdupq_n_f32(x))
static inline vf add(vf a, vf b) MJ_EACH(vf, vaddq_f32(a.v[i], b.v[i]))
static inline vf sub(vf a, vf b) MJ_EACH(vf, vsubq_f32(a.v[i], b.v[i]))
static inline vf mul(vf a, vf b) MJ_EACH(vf, vmulq_f32(a.v[i], b.v[i]))
static inline vf div(vf a, vf b) MJ_EACH(vf, vdivq_f32(a.v[i], b.v[i]))
static inline vf fma(vf a, vf b, vf c) MJ_EACH(vf, vfmaq_f32(c.v[i], a.v[i], b.v[i]))
static inline vf max(vf a, vf b) MJ_EACH(vf, vmaxq_f32(a.v[i], b.v[i]))
static inline vf min(vf a, vf b) MJ_EACH(vf, vminq_f32(a.v[i], b.v[i]))
static inline vf abs_(vf a) MJ_EACH(vf, vabsq_f32(a.v[i]))
static inline vf round_(vf a) MJ_EACH(vf, vrndnq_f32(a.v[i]))
static inline vi ldi(const void* p) MJ_EACH(vi, vld1q_s32((const int32_t*)p + 4 * i))
static inline void sti(void* p, vi a) { for (int i = 0; i < 4; i++) vst1q_s32((int32_t*)p + 4 * i, a.v[i]); }
static inline vi bci(int32_t x) MJ_EACH(vi, vdupq_n_s32(x))
static inline vi addi(vi a, vi b) MJ_EACH(vi, vaddq_s32(a.v[i], b.v[i]))
static inline vi muli(vi a, vi b) MJ_EACH(vi, vmulq_s32(a.v[i], b.v[i]))
static inline vi andi(vi a, vi b) MJ_EACH(vi, vandq_s32(a.v[i], b.v[i]))
static inline vi ori(vi a, vi b) MJ_EACH(vi, vorrq_s32(a.v[i], b.v[i]))
static inline vi xori(vi a, vi b) MJ_EACH(vi, veorq_s32(a.v[i], b.v[i]))
// Shifts by a register, so that zero is a shift like any other.
template <int N> static inline vi shl(vi a) MJ_EACH(vi, vshlq_s32(a.v[i], vdupq_n_s32(N)))
template <int N> static inline vi shr(vi a)
  MJ_EACH(vi, vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a.v[i]), vdupq_n_s32(-N))))
static inline vf to_float(vi a) MJ_EACH(vf, vcvtq_f32_s32(a.v[i]))
static inline vi to_int(vf a) MJ_EACH(vi, vcvtnq_s32_f32(a.v[i]))
static inline vf as_float(vi a) MJ_EACH(vf, vreinterpretq_f32_s32(a.v[i]))
static inline vi as_int(vf a) MJ_EACH(vi, vreinterpretq_s32_f32(a.v[i]))
static inline vm lt(vf a, vf b) MJ_EACH(vm, vcltq_f32(a.v[i], b.v[i]))
static inline vm ge(vf a, vf b) MJ_EACH(vm, vcgeq_f32(a.v[i], b.v[i]))
static inline vf select(vm m, vf a, vf b) MJ_EACH(vf, vbslq_f32(m.v[i], a.v[i], b.v[i]))
static inline vi selecti(vm m, vi a, vi b) MJ_EACH(vi, vbslq_s32(m.v[i], a.v[i], b.v[i]))
static inline uint32_t bits(vm m) {
  const uint32x4_t one = {1, 2, 4, 8};
  uint32_t r = 0;
  for (int i = 0; i < 4; i++) r |= vaddvq_u32(vandq_u32(m.v[i], one)) << 4 * i;
  return r;
}
static inline vi gather_ids(const int32_t* p, int n) {
  int32_t t[16];
  for (int i = 0; i < 16; i++) t[i] = p[i < n ? i : 0];
  return ldi(t);
}
static inline vf gather(const float* x, vi id) {
  int32_t t[16];
  float f[16];
  sti(t, id);
  for (int i = 0; i < 16; i++) f[i] = x[t[i]];
  return ld(f);
}
static inline int32x4_t madd16_one(int32x4_t acc, int16x8_t a, int16x8_t b) {
  int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
  return vaddq_s32(acc, vpaddq_s32(low, vmull_high_s16(a, b)));
}
static inline vi madd16(vi acc, vi a, vi b)
  MJ_EACH(vi, madd16_one(acc.v[i], vreinterpretq_s16_s32(a.v[i]), vreinterpretq_s16_s32(b.v[i])))
static inline vi lookup_bytes(vi a, const uint8_t* table) {
  const uint8x16_t t = vld1q_u8(table);
  MJ_EACH(vi, vreinterpretq_s32_u8(vqtbl1q_u8(t, vreinterpretq_u8_s32(a.v[i]))))
}
static inline vf ld_half(const uint16_t* p)
  MJ_EACH(vf, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))))
static inline vf ld_bf16(const uint16_t* p)
  MJ_EACH(vf, vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)))
// Folds the register in halves: the order of the other instruction sets.
static inline float hsum(vf a) {
  float32x4_t s = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
  float32x2_t t = vadd_f32(vget_low_f32(s), vget_high_f32(s));
  return vget_lane_f32(t, 0) + vget_lane_f32(t, 1);
}
static inline float hmax(vf a) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.v[0], a.v[1]), vmaxq_f32(a.v[2], a.v[3])));
}
#undef MJ_EACH
