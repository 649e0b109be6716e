// The kernels in AVX-512 F, BW, VL, DQ and VNNI. Flags: kernels.h.
// GCC 12 takes the deliberately undefined operand inside its own AVX-512 header for a fault.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#include "kernels.h"

#define MJ_VNNI 1

namespace mj::cpu {
namespace {
#include "vec_avx512.h"

// permutexvar takes the low four bits of a lane only, so that the table needs no AND and no conversion.
static inline vf nibble_to_float(vi v) {
  return _mm512_permutexvar_ps(v, _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
static inline vf nibble_to_code(vi v) {
  return _mm512_permutexvar_ps(v, _mm512_setr_ps(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
}
static inline vi dot_bytes(vi acc, vi u, vi s) { return _mm512_dpbusd_epi32(acc, u, s); }
#include "table.inc"
}  // namespace

const Kernels kernels_avx512 = {quantized_bytes, quantize, linear_f32, linear_int, rms_norm, gated, add_all, scale_all,
                                softcap_all, rope_halves, attend, argmax, sum_exp, collect, gumbel_argmax};
}  // namespace mj::cpu
