// The kernels in NEON (AArch64). Flags: kernels.h.
#include <arm_neon.h>
#include "kernels.h"

#define MJ_VNNI 0

namespace mj::cpu {
namespace {
#include "vec_neon.h"

static inline vf nibble_to_float(vi v) { return to_float(andi(v, bci(15))); }
static inline vf nibble_to_code(vi v) {
  return to_float(andi(lookup_bytes(andi(v, bci(15)), kFp4Codes), bci(255)));
}
#include "table.inc"
}  // namespace

const Kernels kernels_neon = {quantized_bytes, quantize, linear_f32, linear_int, rms_norm, gated, add_all, scale_all,
                                softcap_all, rope_halves, attend, argmax, sum_exp, collect, gumbel_argmax};
}  // namespace mj::cpu
