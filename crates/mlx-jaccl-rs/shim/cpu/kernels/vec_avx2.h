// Logical vectors of 16 floats or int32 as two AVX2 registers.
#pragma once

#define MJ_TILE 6
struct vf { __m256 a, b; };
struct vi { __m256i a, b; };
struct vm { __m256 a, b; };
#define BOTH(type, f) return type{f(x.a, y.a), f(x.b, y.b)}
static inline __m256i first8(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf ld(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline void st(float* p, vf x) { _mm256_storeu_ps(p, x.a); _mm256_storeu_ps(p + 8, x.b); }
static inline vf ld_n(const float* p, int n) {
  return {_mm256_maskload_ps(p, first8(n)), _mm256_maskload_ps(p + 8, first8(n - 8))};
}
static inline void st_n(float* p, vf x, int n) {
  _mm256_maskstore_ps(p, first8(n), x.a);
  _mm256_maskstore_ps(p + 8, first8(n - 8), x.b);
}
static inline vf bc(float x) { __m256 v = _mm256_set1_ps(x); return {v, v}; }
static inline vf add(vf x, vf y) { BOTH(vf, _mm256_add_ps); }
static inline vf sub(vf x, vf y) { BOTH(vf, _mm256_sub_ps); }
static inline vf mul(vf x, vf y) { BOTH(vf, _mm256_mul_ps); }
static inline vf div(vf x, vf y) { BOTH(vf, _mm256_div_ps); }
static inline vf fma(vf x, vf y, vf c) { return {_mm256_fmadd_ps(x.a, y.a, c.a), _mm256_fmadd_ps(x.b, y.b, c.b)}; }
static inline vf max(vf x, vf y) { BOTH(vf, _mm256_max_ps); }
static inline vf min(vf x, vf y) { BOTH(vf, _mm256_min_ps); }
static inline vf abs_(vf x) {
  __m256 s = _mm256_set1_ps(-0.f);
  return {_mm256_andnot_ps(s, x.a), _mm256_andnot_ps(s, x.b)};
}
static inline vf round_(vf x) {
  constexpr int how = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.a, how), _mm256_round_ps(x.b, how)};
}
static inline vi ldi(const void* p) {
  return {_mm256_loadu_si256((const __m256i*)p), _mm256_loadu_si256((const __m256i*)p + 1)};
}
static inline void sti(void* p, vi x) {
  _mm256_storeu_si256((__m256i*)p, x.a);
  _mm256_storeu_si256((__m256i*)p + 1, x.b);
}
static inline vi bci(int32_t x) { __m256i v = _mm256_set1_epi32(x); return {v, v}; }
static inline vi addi(vi x, vi y) { BOTH(vi, _mm256_add_epi32); }
static inline vi muli(vi x, vi y) { BOTH(vi, _mm256_mullo_epi32); }
static inline vi andi(vi x, vi y) { BOTH(vi, _mm256_and_si256); }
static inline vi ori(vi x, vi y) { BOTH(vi, _mm256_or_si256); }
static inline vi xori(vi x, vi y) { BOTH(vi, _mm256_xor_si256); }
template <int N> static inline vi shl(vi x) { return {_mm256_slli_epi32(x.a, N), _mm256_slli_epi32(x.b, N)}; }
template <int N> static inline vi shr(vi x) { return {_mm256_srli_epi32(x.a, N), _mm256_srli_epi32(x.b, N)}; }
static inline vf to_float(vi x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
static inline vi to_int(vf x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
static inline vf as_float(vi x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
static inline vi as_int(vf x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
static inline vm lt(vf x, vf y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)};
}
static inline vm ge(vf x, vf y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_GE_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_GE_OQ)};
}
static inline vf select(vm m, vf x, vf y) {
  return {_mm256_blendv_ps(y.a, x.a, m.a), _mm256_blendv_ps(y.b, x.b, m.b)};
}
static inline vi selecti(vm m, vi x, vi y) { return as_int(select(m, as_float(x), as_float(y))); }
static inline uint32_t bits(vm m) { return uint32_t(_mm256_movemask_ps(m.a)) | uint32_t(_mm256_movemask_ps(m.b)) << 8; }
static inline vi gather_ids(const int32_t* p, int n) {
  vi all = bci(p[0]);
  __m256i ma = first8(n), mb = first8(n - 8);
  return {_mm256_blendv_epi8(all.a, _mm256_maskload_epi32(p, ma), ma),
          _mm256_blendv_epi8(all.b, _mm256_maskload_epi32(p + 8, mb), mb)};
}
static inline vf gather(const float* x, vi id) {
  return {_mm256_i32gather_ps(x, id.a, 4), _mm256_i32gather_ps(x, id.b, 4)};
}
static inline vi madd16(vi acc, vi x, vi y) {
  return {_mm256_add_epi32(acc.a, _mm256_madd_epi16(x.a, y.a)), _mm256_add_epi32(acc.b, _mm256_madd_epi16(x.b, y.b))};
}
static inline vi lookup_bytes(vi x, const uint8_t* table) {
  __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table));
  return {_mm256_shuffle_epi8(t, x.a), _mm256_shuffle_epi8(t, x.b)};
}
static inline vf ld_half(const uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)), _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p + 1))};
}
static inline vf ld_bf16(const uint16_t* p) {
  vi w = {_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)),
          _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p + 1))};
  return as_float(shl<16>(w));
}
static inline __m128 halves_op(__m256 v, bool sum) {
  __m128 l = _mm256_castps256_ps128(v), h = _mm256_extractf128_ps(v, 1);
  return sum ? _mm_add_ps(l, h) : _mm_max_ps(l, h);
}
static inline float hsum(vf x) {
  __m128 a = halves_op(_mm256_add_ps(x.a, x.b), true);
  a = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}
static inline float hmax(vf x) {
  __m128 a = halves_op(_mm256_max_ps(x.a, x.b), false);
  a = _mm_max_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}
#undef BOTH
