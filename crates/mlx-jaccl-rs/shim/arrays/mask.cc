// Grammar masks as MLX operations: the words of opcodes.h, OP_MASK, become a bit matrix on the device.
#include <limits>
#include <vector>

#include "executor.h"
#include "mlx/ops.h"

namespace mj {

mx::array mask_arrays(const mx::array& logits, const int32_t* words, int masked, mx::Stream s) {
  const int rows = logits.shape(0), vocabulary = logits.shape(1), n = mask_words(vocabulary);
  std::vector<uint32_t> bits(static_cast<size_t>(rows) * n, ~0u);
  for (int i = 0; i < masked; ++i, words += 1 + n) {
    uint32_t* row = bits.data() + static_cast<size_t>(words[0]) * n;
    for (int k = 0; k < n; ++k) row[k] = static_cast<uint32_t>(words[1 + k]);
  }
  const mx::array packed(bits.data(), {rows, n, 1}, mx::uint32);
  const mx::array place = mx::reshape(mx::arange(0.0, kMaskBits, 1.0, mx::uint32, s), {1, 1, kMaskBits}, s);
  const mx::array one = mx::bitwise_and(mx::right_shift(packed, place, s), mx::array(1u, mx::uint32), s);
  const mx::array kept = mx::slice(mx::reshape(one, {rows, n * kMaskBits}, s), mx::Shape{0, 0},
                                   mx::Shape{rows, vocabulary}, s);
  const mx::array forbidden(-std::numeric_limits<float>::infinity(), logits.dtype());
  return mx::where(mx::astype(kept, mx::bool_, s), logits, forbidden, s);
}

}  // namespace mj
