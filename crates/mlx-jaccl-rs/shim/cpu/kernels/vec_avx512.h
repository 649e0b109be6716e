// Logical vectors of 16 floats or int32 as one AVX-512 register.
#pragma once

#define MJ_TILE 12
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;
static inline __mmask16 first(int n) { return __mmask16((1u << n) - 1); }
static inline vf ld(const float* p) { return _mm512_loadu_ps(p); }
static inline void st(float* p, vf a) { _mm512_storeu_ps(p, a); }
static inline vf ld_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
static inline void st_n(float* p, vf a, int n) { _mm512_mask_storeu_ps(p, first(n), a); }
static inline vf bc(float x) { return _mm512_set1_ps(x); }
static inline vf add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf abs_(vf a) { return _mm512_abs_ps(a); }
static inline vf round_(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vi ldi(const void* p) { return _mm512_loadu_si512(p); }
static inline void sti(void* p, vi a) { _mm512_storeu_si512(p, a); }
static inline vi bci(int32_t x) { return _mm512_set1_epi32(x); }
static inline vi addi(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi muli(vi a, vi b) { return _mm512_mullo_epi32(a, b); }
static inline vi andi(vi a, vi b) { return _mm512_and_si512(a, b); }
static inline vi ori(vi a, vi b) { return _mm512_or_si512(a, b); }
static inline vi xori(vi a, vi b) { return _mm512_xor_si512(a, b); }
template <int N> static inline vi shl(vi a) { return _mm512_slli_epi32(a, N); }
template <int N> static inline vi shr(vi a) { return _mm512_srli_epi32(a, N); }
static inline vf to_float(vi a) { return _mm512_cvtepi32_ps(a); }
static inline vi to_int(vf a) { return _mm512_cvtps_epi32(a); }
static inline vf as_float(vi a) { return _mm512_castsi512_ps(a); }
static inline vi as_int(vf a) { return _mm512_castps_si512(a); }
static inline vm lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vm ge(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline vf select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
static inline vi selecti(vm m, vi a, vi b) { return _mm512_mask_blend_epi32(m, b, a); }
static inline uint32_t bits(vm m) { return m; }
static inline vi gather_ids(const int32_t* p, int n) {
  return _mm512_mask_loadu_epi32(_mm512_set1_epi32(p[0]), first(n), p);
}
static inline vf gather(const float* x, vi id) { return _mm512_i32gather_ps(id, x, 4); }
static inline vi lookup_bytes(vi a, const uint8_t* table) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)table)), a);
}
static inline vf ld_half(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
static inline vf ld_bf16(const uint16_t* p) {
  return as_float(shl<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p))));
}
static inline float hsum(vf v) {
  __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 a = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  a = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}
static inline float hmax(vf v) { return _mm512_reduce_max_ps(v); }
