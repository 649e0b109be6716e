// A layer of experts as MLX operations: router in f32, then gathered matrix products over the chosen experts.
#include "mlx/ops.h"
#include "step.h"

namespace mj {

namespace {
// x [rows, 1 or chosen, 1, columns], experts i32 [rows, chosen] -> [rows, chosen, 1, outputs]
mx::array expert_product(const mx::array& x, const ArrayMatrix& m, int experts, const mx::array& chosen, mx::Stream s) {
  auto stack = [&](const mx::array& a) { return mx::reshape(a, {experts, a.shape(0) / experts, a.shape(1)}, s); };
  if (m.bits == 0) return mx::gather_mm(x, mx::swapaxes(stack(m.w), 1, 2, s), std::nullopt, chosen, false, s);
  std::optional<mx::array> biases;
  if (m.biases) biases = stack(*m.biases);
  return mx::gather_qmm(x, stack(m.w), stack(*m.scales), biases, std::nullopt, chosen, true, m.group, m.bits, m.mode,
                        std::nullopt, false, s);
}
}  // namespace

mx::array ArrayExecutor::moe(Step& step, const Instruction& in) {
  const int32_t* w = step.words(in);
  const mx::Stream s = stream();
  const mx::array& x = step.at(in.a);
  const int chosen = w[5], rows = x.shape(0), hidden = x.shape(1);
  const bool renormalise = w[7] & 1;
  const mx::array router_in = mx::astype(x, mx::float32, s);
  const mx::array logits = matrix_product(router_in, weights_.matrix(in.weight[0], mx::float32), s);
  const int experts = logits.shape(1);
  const mx::array probabilities = mx::softmax(logits, 1, true, s);
  mx::array best = mx::argpartition(mx::negative(probabilities, s), chosen - 1, 1, s);
  best = mx::slice(best, mx::Shape{0, 0}, mx::Shape{rows, chosen}, s);
  mx::array share = mx::take_along_axis(probabilities, best, 1, s);
  if (renormalise) share = mx::divide(share, mx::sum(share, 1, true, s), s);

  const mx::array rows_in = mx::reshape(x, {rows, 1, 1, hidden}, s);
  mx::array inner = expert_product(rows_in, weights_.matrix(in.weight[1], x.dtype()), experts, best, s);
  inner = gated(mx::reshape(inner, {rows * chosen, inner.shape(3)}, s), ACT_SILU);
  inner = mx::reshape(inner, {rows, chosen, 1, inner.shape(1)}, s);
  mx::array out = expert_product(inner, weights_.matrix(in.weight[2], x.dtype()), experts, best, s);
  out = mx::reshape(out, {rows, chosen, hidden}, s);
  out = mx::sum(mx::multiply(out, mx::astype(mx::expand_dims(share, 2, s), x.dtype(), s), s), 1, false, s);
  return out;
}

}  // namespace mj
