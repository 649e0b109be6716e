// The kernels in plain C++: the reference, and the way out for machines without any of the others. Flags: kernels.h.
#include <math.h>
#include <string.h>
#include "kernels.h"

#define MJ_VNNI 0

namespace mj::cpu {
namespace {
#include "vec_scalar.h"

static inline vf nibble_to_float(vi v) { return to_float(andi(v, bci(15))); }
static inline vf nibble_to_code(vi v) { return to_float(andi(lookup_bytes(andi(v, bci(15)), kFp4Codes), bci(255))); }
#include "table.inc"
}  // namespace

const Kernels kernels_scalar = {quantized_bytes, quantize, linear_f32, linear_int, rms_norm, gated, add_all, scale_all,
                                softcap_all, rope_halves, attend, argmax, sum_exp, collect, gumbel_argmax};
}  // namespace mj::cpu
