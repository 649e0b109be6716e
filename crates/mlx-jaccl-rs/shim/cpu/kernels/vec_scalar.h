// Logical vectors of 16 floats or int32 without any instruction set: the reference, and the way out for old machines.
// No FMA: fma() rounds twice here.
#pragma once

#define MJ_TILE 4
struct vf { float v[16]; };
struct vi { int32_t v[16]; };
struct vm { bool v[16]; };
#define EACH(...) for (int i = 0; i < 16; i++) __VA_ARGS__
#define VF(expr) { vf r; EACH(r.v[i] = (expr)); return r; }
#define VI(expr) { vi r; EACH(r.v[i] = (expr)); return r; }
#define VM(expr) { vm r; EACH(r.v[i] = (expr)); return r; }
static inline vf ld(const float* p) VF(p[i])
static inline void st(float* p, vf a) { EACH(p[i] = a.v[i]); }
static inline vf ld_n(const float* p, int n) VF(i < n ? p[i] : 0.f)
static inline void st_n(float* p, vf a, int n) { for (int i = 0; i < n; i++) p[i] = a.v[i]; }
static inline vf bc(float x) VF(x)
static inline vf add(vf a, vf b) VF(a.v[i] + b.v[i])
static inline vf sub(vf a, vf b) VF(a.v[i] - b.v[i])
static inline vf mul(vf a, vf b) VF(a.v[i] * b.v[i])
static inline vf div(vf a, vf b) VF(a.v[i] / b.v[i])
static inline vf fma(vf a, vf b, vf c) VF(a.v[i] * b.v[i] + c.v[i])
static inline vf max(vf a, vf b) VF(a.v[i] > b.v[i] ? a.v[i] : b.v[i])
static inline vf min(vf a, vf b) VF(a.v[i] < b.v[i] ? a.v[i] : b.v[i])
static inline vf abs_(vf a) VF(fabsf(a.v[i]))
static inline vf round_(vf a) VF(nearbyintf(a.v[i]))
static inline vi ldi(const void* p) { vi r; memcpy(&r, p, 64); return r; }
static inline void sti(void* p, vi a) { memcpy(p, &a, 64); }
static inline vi bci(int32_t x) VI(x)
static inline vi addi(vi a, vi b) VI(int32_t(uint32_t(a.v[i]) + uint32_t(b.v[i])))
static inline vi muli(vi a, vi b) VI(int32_t(uint32_t(a.v[i]) * uint32_t(b.v[i])))
static inline vi andi(vi a, vi b) VI(a.v[i] & b.v[i])
static inline vi ori(vi a, vi b) VI(a.v[i] | b.v[i])
static inline vi xori(vi a, vi b) VI(a.v[i] ^ b.v[i])
template <int N> static inline vi shl(vi a) VI(int32_t(uint32_t(a.v[i]) << N))
template <int N> static inline vi shr(vi a) VI(int32_t(uint32_t(a.v[i]) >> N))
static inline vf to_float(vi a) VF(float(a.v[i]))
static inline vi to_int(vf a) VI(int32_t(nearbyintf(a.v[i])))
static inline vf as_float(vi a) { vf r; memcpy(&r, &a, 64); return r; }
static inline vi as_int(vf a) { vi r; memcpy(&r, &a, 64); return r; }
static inline vm lt(vf a, vf b) VM(a.v[i] < b.v[i])
static inline vm ge(vf a, vf b) VM(a.v[i] >= b.v[i])
static inline vf select(vm m, vf a, vf b) VF(m.v[i] ? a.v[i] : b.v[i])
static inline vi selecti(vm m, vi a, vi b) VI(m.v[i] ? a.v[i] : b.v[i])
static inline uint32_t bits(vm m) { uint32_t r = 0; EACH(r |= uint32_t(m.v[i]) << i); return r; }
static inline vi gather_ids(const int32_t* p, int n) VI(i < n ? p[i] : p[0])
static inline vf gather(const float* x, vi id) VF(x[id.v[i]])
// 16 halves of each lane pair: sum of two products of signed 16-bit halves, added to acc.
static inline vi madd16(vi acc, vi a, vi b)
  VI(acc.v[i] + int16_t(a.v[i]) * int16_t(b.v[i]) + (a.v[i] >> 16) * (b.v[i] >> 16))
static inline vi lookup_bytes(vi a, const uint8_t* table) {
  vi r; EACH({
    uint32_t w = uint32_t(a.v[i]), o = 0;
    for (int b = 0; b < 32; b += 8) o |= uint32_t(table[w >> b & 15]) << b;
    r.v[i] = int32_t(o);
  });
  return r;
}
static inline float half_to_float(uint16_t h) {
  uint32_t s = uint32_t(h & 0x8000) << 16, m = h & 0x7fff, u;
  if (m >= 0x7c00) u = 0x7f800000 | (m & 0x3ff) << 13;
  else if (m >= 0x400) u = (m << 13) + 0x38000000;
  else { float f = float(m) * 0x1p-24f; memcpy(&u, &f, 4); }
  u |= s; float f; memcpy(&f, &u, 4); return f;
}
static inline vf ld_half(const uint16_t* p) VF(half_to_float(p[i]))
static inline vf ld_bf16(const uint16_t* p) { vi r; EACH(r.v[i] = int32_t(uint32_t(p[i]) << 16)); return as_float(r); }
// ((0+8)+(4+12)) ... : the order of folding a register in halves.
static inline float hsum(vf a) {
  for (int w = 8; w; w /= 2) for (int i = 0; i < w; i++) a.v[i] += a.v[i + w];
  return a.v[0];
}
static inline float hmax(vf a) { float r = a.v[0]; EACH(if (a.v[i] > r) r = a.v[i]); return r; }
#undef VF
#undef VI
#undef VM
#undef EACH
