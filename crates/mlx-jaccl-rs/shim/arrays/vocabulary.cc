// Operations on a vocabulary that is divided over the ranks, as MLX operations.
#include <algorithm>

#include "executor.h"
#include "mlx/ops.h"
#include "step.h"

namespace mj {

mx::array ArrayExecutor::embed_part(Step& step, const Instruction& in) {
  const int32_t* w = step.words(in);
  const mx::Stream s = stream();
  const mx::Dtype type = weights_.type(in.weight[0]);
  const ArrayMatrix& m = weights_.matrix(in.weight[0], type);
  const mx::array zero(0), last(m.w.shape(0) - 1);
  const mx::array place = mx::subtract(step.at(in.a), mx::array(w[4]), s);
  const mx::array is_own = mx::logical_and(mx::greater_equal(place, zero, s), mx::less_equal(place, last, s), s);
  const mx::array rows = matrix_rows(m, mx::clip(place, zero, last, s), type, s);
  const mx::array factor = mx::where(is_own, mx::array(as_float(w[3]), type), mx::array(0.0f, type), s);
  return mx::multiply(rows, mx::expand_dims(factor, 1, s), s);
}

mx::array ArrayExecutor::gather_columns(Step& step, const Instruction& in) {
  const int32_t *widths = step.words(in) + 3, ranks = step.words(in)[2];
  const mx::Stream s = stream();
  mx::array x = step.at(in.a);
  const int rows = x.shape(0), own = x.shape(1), widest = *std::max_element(widths, widths + ranks);
  if (own < widest) x = mx::pad(x, {{0, 0}, {0, widest - own}}, mx::array(0.0f, x.dtype()), "constant", s);
  const mx::array all = step.collectives.gather(x, s);
  if (std::all_of(widths, widths + ranks, [widest](int32_t width) { return width == widest; })) return all;
  std::vector<mx::array> parts;
  for (int k = 0; k < ranks; ++k)
    parts.push_back(mx::slice(all, mx::Shape{0, k * widest}, mx::Shape{rows, k * widest + widths[k]}, s));
  return mx::concatenate(std::move(parts), 1, s);
}

mx::array ArrayExecutor::best_token(Step& step, const Instruction& in) {
  const mx::Stream s = stream();
  const mx::array logits = mx::astype(step.at(in.a), mx::float32, s);
  const mx::array own = mx::argmax(logits, 1, true, s);
  const mx::array token = mx::add(mx::astype(own, mx::float32, s), mx::array(static_cast<float>(step.words(in)[2])), s);
  const mx::array pair = mx::concatenate({mx::take_along_axis(logits, own, 1, s), token}, 1, s);
  // [rows, ranks, a logit and its token]
  const mx::array all = mx::reshape(step.collectives.gather(pair, s), {logits.shape(0), -1, 2}, s);
  auto half = [&](int k) {
    return mx::slice(all, mx::Shape{0, 0, k}, mx::Shape{all.shape(0), all.shape(1), k + 1}, s);
  };
  const mx::array best = mx::argmax(half(0), 1, true, s);
  return mx::astype(mx::flatten(mx::take_along_axis(half(1), best, 1, s), s), mx::int32, s);
}

}  // namespace mj
