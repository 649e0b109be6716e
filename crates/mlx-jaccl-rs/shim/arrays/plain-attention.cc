// Query heads of one KV head are rows of one matrix, so that no key is repeated.
#include "plain-attention.h"

#include <limits>

#include "mlx/ops.h"

namespace mj {

namespace mx = mlx::core;

mx::array attend_plainly(const mx::array& q, const mx::array& k, const mx::array& v,
                         const std::optional<mx::array>& mask, float scale, float softcap,
                         const std::optional<mx::array>& sinks, mx::Stream s) {
  const int batch = q.shape(0), hq = q.shape(1), rows = q.shape(2), dim = q.shape(3);
  const int hk = k.shape(1), group = hq / hk, length = k.shape(2);
  const mx::array scaled = mx::multiply(q, mx::array(scale, q.dtype()), s);
  const mx::array queries = mx::reshape(scaled, {batch, hk, group * rows, dim}, s);
  mx::array scores = mx::matmul(queries, mx::swapaxes(k, 2, 3, s), s);
  if (softcap != 0 || sinks) scores = mx::astype(scores, mx::float32, s);
  const mx::array cap(softcap);
  if (softcap != 0) scores = mx::multiply(mx::tanh(mx::divide(scores, cap, s), s), cap, s);
  scores = mx::reshape(scores, {batch, hk, group, rows, length}, s);
  if (mask) {
    const mx::array seen = mask->ndim() == 4 ? mx::expand_dims(*mask, 1, s) : *mask;
    scores = mx::where(seen, scores, mx::array(-std::numeric_limits<float>::infinity(), scores.dtype()), s);
  }
  if (sinks) {
    const mx::array extra = mx::broadcast_to(
        mx::astype(mx::reshape(*sinks, {1, hk, group, 1, 1}, s), mx::float32, s), {batch, hk, group, rows, 1}, s);
    scores = mx::softmax(mx::concatenate({extra, scores}, 4, s), 4, true, s);
    scores = mx::slice(scores, mx::Shape{0, 0, 0, 0, 1}, mx::Shape{batch, hk, group, rows, length + 1}, s);
  } else {
    scores = mx::softmax(scores, 4, true, s);
  }
  const mx::array weights = mx::reshape(mx::astype(scores, q.dtype(), s), {batch, hk, group * rows, length}, s);
  return mx::reshape(mx::matmul(weights, v, s), {batch, hq, rows, dim}, s);
}

}  // namespace mj
