// Rotation, KV and attention as MLX operations.
// A segment of its own has the mask "causal", or none for one row: an array mask would cost its making, and keeps cuDNN
// (CUDA) and the vector kernels from being chosen. Only a window that has begun to slide needs one. Sequences that
// decode together share one operation with a mask (company.cc).
#include <algorithm>

#include "mlx/fast.h"
#include "mlx/ops.h"
#include "plain-attention.h"
#include "step.h"

namespace mj {

namespace {

// [B * T, heads * dim] -> [B, heads, T, dim]
mx::array to_heads(const mx::array& x, int batch, int rows, int heads, int dim, mx::Stream s) {
  if (rows == 1) return mx::reshape(x, {batch, heads, 1, dim}, s);
  return mx::transpose(mx::reshape(x, {batch, rows, heads, dim}, s), {0, 2, 1, 3}, s);
}
// [B, heads, T, dim] -> [B * T, heads * dim]
mx::array to_rows(const mx::array& x, mx::Stream s) {
  const int batch = x.shape(0), heads = x.shape(1), rows = x.shape(2), dim = x.shape(3);
  if (rows == 1) return mx::reshape(x, {batch, heads * dim}, s);
  return mx::reshape(mx::transpose(x, {0, 2, 1, 3}, s), {batch * rows, heads * dim}, s);
}
mx::array one_of_batch(const mx::array& x, int i, mx::Stream s) {
  if (x.shape(0) == 1) return x;
  return mx::slice(x, mx::Shape{i, 0, 0, 0}, mx::Shape{i + 1, x.shape(1), x.shape(2), x.shape(3)}, s);
}
mx::array heads_of(const mx::array& x, int from, int to, mx::Stream s) {
  return mx::slice(x, mx::Shape{0, from, 0, 0}, mx::Shape{x.shape(0), to, x.shape(2), x.shape(3)}, s);
}
mx::array rows_of(const mx::array& x, int first, int count, mx::Stream s) {
  if (first == 0 && count == x.shape(0)) return x;
  return mx::slice(x, mx::Shape{first, 0}, mx::Shape{first + count, x.shape(1)}, s);
}
mx::array joined(std::vector<mx::array> parts, mx::Stream s) {
  return parts.size() == 1 ? parts[0] : mx::concatenate(std::move(parts), 0, s);
}

// What companies and segments of their own gave, as rows of the batch.
mx::array in_order(const Layout& layout, std::vector<mx::array> parts, mx::Stream s) {
  const mx::array all = joined(std::move(parts), s);
  return layout.back ? mx::take(all, *layout.back, 0, s) : all;
}

}  // namespace

// heads [B, H, T, dim], offsets i32 [B]: the position of each first row.
mx::array ArrayExecutor::rotate(const mx::array& heads, const Instruction& in, const int32_t* w,
                                const mx::array& offsets) {
  const int dims = w[7], mode = w[8];
  if (mode == ROPE_NONE) return heads;
  const mx::Stream s = stream();
  mx::array x = heads;
  // The rotation is linear: a factor of cos and sin is a factor of the dimensions that are rotated.
  if (const float scale = as_float(w[13]); scale != 1) {
    std::vector<float> factors(x.shape(3), 1);
    std::fill(factors.begin(), factors.begin() + dims, scale);
    x = mx::multiply(x, mx::astype(mx::array(factors.data(), {x.shape(3)}), x.dtype(), s), s);
  }
  return mx::fast::rope(x, dims, mode == ROPE_PAIRS, std::nullopt, 1.0f, offsets, weights_.reciprocal(in.weight[0]), s);
}

ArrayExecutor::Projected ArrayExecutor::project(const mx::array& heads, const Instruction& in, const int32_t* w,
                                                const mx::array& offsets) {
  const int hq = w[4], hk = w[5];
  const float eps = as_float(w[12]), offset = as_float(w[14]);
  const mx::Stream s = stream();
  const mx::array v = heads_of(heads, hq + hk, hq + 2 * hk, s);
  if (in.weight[1] < 0 && in.weight[2] < 0) {
    const mx::array both = rotate(heads_of(heads, 0, hq + hk, s), in, w, offsets);
    return {heads_of(both, 0, hq, s), heads_of(both, hq, hq + hk, s), v};
  }
  mx::array q = heads_of(heads, 0, hq, s), k = heads_of(heads, hq, hq + hk, s);
  if (in.weight[1] >= 0) q = norm(q, in.weight[1], offset, eps);
  if (in.weight[2] >= 0) k = norm(k, in.weight[2], offset, eps);
  return {rotate(q, in, w, offsets), rotate(k, in, w, offsets), v};
}

mx::array ArrayExecutor::rope_append(Step& step, const Instruction& in) {
  const int32_t* w = step.words(in);
  const int layer = w[3], hq = w[4], hk = w[5], dim = w[6];
  const mx::Stream s = stream();
  const Batch& batch = step.batch(in);
  const Layout& layout = step.layouts[in.batch];
  const mx::array& x = step.at(in.a);
  ArraySequences& store = kv(batch.store);
  std::vector<mx::array> queries;
  for (const Company& company : layout.companies) {
    const mx::array rows = company.gather ? mx::take(x, *company.gather, 0, s)
                                          : rows_of(x, company.first_row, company.slab_rows * company.rows, s);
    const Projected p =
        project(to_heads(rows, company.slab_rows, company.rows, hq + 2 * hk, dim, s), in, w, company.starts);
    store.write_slab(company.slab, layer, company.places, p.k, p.v);
    step.rotated[in.dst].push_back(p.q);
    queries.push_back(to_rows(p.q, s));
  }
  for (const Run& run : layout.alone) {
    const mx::array rows = rows_of(x, batch.segments[run.first].first_row, run.count * run.rows, s);
    std::vector<int32_t> starts(run.count);
    for (int i = 0; i < run.count; ++i) starts[i] = batch.segments[run.first + i].start;
    const Projected p = project(to_heads(rows, run.count, run.rows, hq + 2 * hk, dim, s), in, w,
                                mx::array(starts.data(), {run.count}, mx::int32));
    for (int i = 0; i < run.count; ++i) {
      const BatchSegment& segment = batch.segments[run.first + i];
      store.write(inner(segment.handle), layer, segment.start, one_of_batch(p.k, i, s), one_of_batch(p.v, i, s));
    }
    queries.push_back(to_rows(p.q, s));
  }
  return in_order(layout, std::move(queries), s);
}

mx::array ArrayExecutor::attend(Step& step, const Instruction& in) {
  const int32_t* w = step.words(in);
  const int layer = w[3], hq = w[4], dim = w[6], window = w[8];
  const float scale = as_float(w[7]), softcap = as_float(w[9]);
  const mx::Stream s = stream();
  const Batch& batch = step.batch(in);
  Layout& layout = step.layouts[in.batch];
  const ArraySequences& store = kv(batch.store);
  std::optional<mx::array> sinks;
  if (in.weight[0] >= 0) sinks = weights_.vector(in.weight[0], step.at(in.a).dtype(), 0);
  std::vector<mx::array> parts;
  for (size_t i = 0; i < layout.companies.size(); ++i) {
    const mx::array& q = step.rotated.at(in.a)[i];
    parts.push_back(
        to_rows(attend_company(layout.companies[i], q, store, layer, window, scale, softcap, sinks), s));
  }
  for (const Run& run : layout.alone) {
    for (int i = run.first; i < run.first + run.count; ++i) {
      const BatchSegment& segment = batch.segments[i];
      const int end = segment.start + segment.rows;
      const int from = window > 0 ? std::max(0, segment.start - window + 1) : 0;  // the first key any row sees
      const mx::array q =
          to_heads(rows_of(step.at(in.a), segment.first_row, segment.rows, s), 1, segment.rows, hq, dim, s);
      const int h = inner(segment.handle);
      parts.push_back(to_rows(attend_segment(q, store.keys(h, layer, from, end), store.values(h, layer, from, end),
                                             segment.start - from, window, scale, softcap, sinks),
                              s));
    }
  }
  return in_order(layout, std::move(parts), s);
}

// q [1, Hq, T, dim]; k and v [1, Hk, L, dim]; row r sees keys 0 .. start + r of these, the last `window` of them.
mx::array ArrayExecutor::attend_segment(const mx::array& q, const mx::array& k, const mx::array& v, int start,
                                        int window, float scale, float softcap, const std::optional<mx::array>& sinks) {
  const mx::Stream s = stream();
  const int rows = q.shape(2), length = k.shape(2);
  std::optional<mx::array> mask;
  if (window > 0 && rows > 1 && length > window) {
    const mx::array at = mx::expand_dims(mx::arange(start, start + rows, mx::int32, s), 1, s);
    const mx::array key = mx::expand_dims(mx::arange(0, length, mx::int32, s), 0, s);
    mask = mx::logical_and(mx::less_equal(key, at, s), mx::greater(key, mx::subtract(at, mx::array(window), s), s), s);
  }
  if (softcap == 0) {
    const char* mode = mask ? "array" : rows > 1 ? "causal" : "";
    return mx::fast::scaled_dot_product_attention(q, k, v, scale, mode, mask, sinks, false, s);
  }
  // MLX has no fused attention with a cap.
  if (!mask && rows > 1) {
    const mx::array at = mx::expand_dims(mx::arange(start, start + rows, mx::int32, s), 1, s);
    mask = mx::less_equal(mx::expand_dims(mx::arange(0, length, mx::int32, s), 0, s), at, s);
  }
  return attend_plainly(q, k, v, mask, scale, softcap, sinks, s);
}

}  // namespace mj
