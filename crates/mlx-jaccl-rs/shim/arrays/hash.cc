// OP_HASH as MLX operations: two sums modulo 2^32 of the elements' mixed bits, each weighted by odd factors of its own.
// The mixing is a bijection, so one changed element always changes both; without it pairs of sign bits would cancel out.
#include <utility>
#include <vector>

#include "executor.h"
#include "mlx/ops.h"

namespace mj {

mx::array hash_array(const mx::array& x, mx::Stream s) {
  constexpr uint32_t kFactors[] = {0x9e3779b1, 0x85ebca77};
  const mx::Dtype bits_type = x.dtype() == mx::float32 ? mx::uint32 : mx::uint16;
  const mx::array flat = mx::flatten(mx::contiguous(x, false, s), s);
  mx::array bits = mx::astype(mx::view(flat, bits_type, s), mx::uint32, s);
  // lowbias32 by C. Wellons.
  for (const auto& [shift, factor] : {std::pair<uint32_t, uint32_t>{16, 0x7feb352d}, {15, 0x846ca68b}}) {
    bits = mx::bitwise_xor(bits, mx::right_shift(bits, mx::array(shift, mx::uint32), s), s);
    bits = mx::multiply(bits, mx::array(factor, mx::uint32), s);
  }
  const mx::array places = mx::astype(mx::arange(flat.shape(0), s), mx::uint32, s);
  std::vector<mx::array> parts;
  for (uint32_t factor : kFactors) {
    const mx::array weights =
        mx::add(mx::multiply(places, mx::array(2 * factor, mx::uint32), s), mx::array(factor, mx::uint32), s);
    const mx::array sum = mx::sum(mx::multiply(bits, weights, s), s);
    parts.push_back(mx::bitwise_and(sum, mx::array(0xffff, mx::uint32), s));
    parts.push_back(mx::right_shift(sum, mx::array(16, mx::uint32), s));
  }
  return mx::expand_dims(mx::astype(mx::stack(parts, 0, s), mx::float32, s), 0, s);
}

}  // namespace mj
