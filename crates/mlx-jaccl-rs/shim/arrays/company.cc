// Sequences that decode together: which they are, and one attention over the rows of their slab.
// Per sequence a GPU step costs launches: 32 sequences of a 28-layer model took 12-15 ms in attention alone on an H200,
// one masked operation a layer takes 1.9 ms (docs/cuda.md).
#include <algorithm>
#include <vector>

#include "../platform.h"
#include "mlx/fast.h"
#include "mlx/ops.h"
#include "plain-attention.h"
#include "step.h"

namespace mj {

namespace {
constexpr int kFewestTogether = 3;   // below, the shared operation costs more than it saves
constexpr int kMostRowsTogether = 8;  // of each: decode, and what speculation verifies

// Consecutive segments of equal length, of those that `wanted` names.
template <class Wanted>
std::vector<Run> runs_of(const Batch& batch, Wanted wanted) {
  std::vector<Run> runs;
  for (int i = 0; i < static_cast<int>(batch.segments.size()); ++i) {
    if (!wanted(i)) continue;
    const int rows = batch.segments[i].rows;
    if (!runs.empty() && runs.back().rows == rows && runs.back().first + runs.back().count == i) ++runs.back().count;
    else runs.push_back({i, 1, rows});
  }
  return runs;
}
mx::array integers(const std::vector<int32_t>& v) {
  return mx::array(v.data(), {static_cast<int>(v.size())}, mx::int32);
}
}  // namespace

// Room for what the step appends: in a slab for sequences in company, alone for the others.
void ArrayExecutor::make_room(Step& step) {
  for (auto& batch : step.program.batches)
    if (batch.appends && !step.before.contains(batch.store)) step.before.emplace(batch.store, kv(batch.store).save());
  for (auto& batch : step.program.batches) {
    if (!batch.appends) continue;
    ArraySequences& store = kv(batch.store);
    std::map<int, std::vector<const BatchSegment*>> together;  // by rows
    for (auto& segment : batch.segments)
      if (segment.rows <= kMostRowsTogether) together[segment.rows].push_back(&segment);
    for (auto& segment : batch.segments) {
      const auto found = together.find(segment.rows);
      if (found == together.end() || found->second.size() < kFewestTogether)
        store.reserve(inner(segment.handle), segment.start + segment.rows);
    }
    for (auto& [rows, segments] : together) {
      if (segments.size() < kFewestTogether) continue;
      std::vector<int> handles, lengths;
      for (auto* segment : segments) {
        handles.push_back(inner(segment->handle));
        lengths.push_back(segment->start + rows);
      }
      if (store.seat(handles, lengths, rows)) continue;
      for (size_t i = 0; i < handles.size(); ++i) store.reserve(handles[i], lengths[i]);
    }
  }
  for (auto& batch : step.program.batches) step.layouts.push_back(lay_out(batch));
}

Layout ArrayExecutor::lay_out(const Batch& batch) const {
  Layout layout;
  const ArraySequences& store = kv(batch.store);
  const int count = static_cast<int>(batch.segments.size());
  std::map<std::pair<int, int>, std::vector<int>> members;  // by slab and rows
  for (int i = 0; i < count && batch.appends; ++i) {
    const BatchSegment& segment = batch.segments[i];
    const int slab = store.seat_of(inner(segment.handle)).slab;
    if (slab >= 0 && segment.rows <= kMostRowsTogether) members[{slab, segment.rows}].push_back(i);
  }
  std::vector<bool> seated(count, false);
  std::vector<int32_t> back(batch.rows);
  int32_t made = 0;  // rows of the joined result
  for (auto& [key, segments] : members) {
    if (segments.size() < kFewestTogether) continue;
    const auto [number, rows] = key;
    const ArraySequences::Slab& slab = store.slab(number);
    const int slab_rows = slab.rows();
    // The rest of the slab writes behind what it holds.
    std::vector<int32_t> from(slab_rows, 0), writes(slab_rows), gather(slab_rows * rows, 0);
    for (int row = 0; row < slab_rows; ++row) writes[row] = slab.owner[row] < 0 ? 0 : store.length(slab.owner[row]);
    Company company{number, slab_rows, rows, -1, 0, {}, integers(from), integers(from), {}};
    bool same = static_cast<int>(segments.size()) == slab_rows;
    for (size_t i = 0; i < segments.size(); ++i) {
      const BatchSegment& segment = batch.segments[segments[i]];
      const int row = store.seat_of(inner(segment.handle)).row;
      seated[segments[i]] = true;
      from[row] = writes[row] = segment.start;
      company.extent = std::max(company.extent, segment.start + rows);
      for (int t = 0; t < rows; ++t) {
        gather[row * rows + t] = segment.first_row + t;
        back[segment.first_row + t] = made + row * rows + t;
      }
    }
    for (int i = 1; i < slab_rows * rows && same; ++i) same = gather[i] == gather[0] + i;
    if (same) company.first_row = gather[0];
    else company.gather = integers(gather);
    company.extent = std::min(slab.capacity, (company.extent + ArraySequences::kGranule - 1) /
                                                 ArraySequences::kGranule * ArraySequences::kGranule);
    company.starts = integers(from);
    const mx::Stream s = stream();
    const mx::array steps = mx::arange(0, rows, mx::int32, s);
    const mx::array places = mx::add(mx::expand_dims(integers(writes), 1, s), steps, s);
    const mx::Shape shape{slab_rows, store.kv_heads(), rows, store.head_dim()};
    const mx::array place = mx::reshape(places, {slab_rows, 1, rows, 1}, s);
    company.places = mx::contiguous(mx::broadcast_to(place, shape, s), false, s);
    layout.companies.push_back(std::move(company));
    made += slab_rows * rows;
  }
  layout.alone = runs_of(batch, [&](int i) { return !seated[i]; });
  for (auto& run : layout.alone)
    for (int i = run.first; i < run.first + run.count; ++i)
      for (int t = 0; t < run.rows; ++t) back[batch.segments[i].first_row + t] = made++;
  bool same = made == batch.rows;
  for (int i = 0; i < batch.rows && same; ++i) same = back[i] == i;
  if (!same) layout.back = integers(back);
  return layout;
}

// q [slab rows, Hq, T, D], in the slab's order.
mx::array ArrayExecutor::attend_company(Company& company, const mx::array& q, const ArraySequences& store, int layer,
                                        int window, float scale, float softcap, const std::optional<mx::array>& sinks) {
  const mx::Stream s = stream();
  auto mask = company.masks.find(window);
  if (mask == company.masks.end()) {
    const mx::array first = mx::reshape(company.starts, {company.slab_rows, 1, 1, 1}, s);
    const mx::array steps = mx::reshape(mx::arange(0, company.rows, mx::int32, s), {company.rows, 1}, s);
    const mx::array at = mx::add(first, steps, s);
    const mx::array key = mx::arange(0, company.extent, mx::int32, s);
    mx::array seen = mx::less_equal(key, at, s);
    if (window > 0) seen = mx::logical_and(seen, mx::greater(key, mx::subtract(at, mx::array(window), s), s), s);
    mask = company.masks.emplace(window, seen).first;
  }
  const ArraySequences::Slab& slab = store.slab(company.slab);
  const mx::Shape to{company.slab_rows, slab.keys[layer]->shape(1), company.extent, slab.keys[layer]->shape(3)};
  const mx::array k = mx::slice(*slab.keys[layer], {0, 0, 0, 0}, to, s);
  const mx::array v = mx::slice(*slab.values[layer], {0, 0, 0, 0}, to, s);
  // MLX's fused attention takes masks well on Metal only.
  if (softcap != 0 || cuda_) return attend_plainly(q, k, v, mask->second, scale, softcap, sinks, s);
  return mx::fast::scaled_dot_product_attention(q, k, v, scale, "array", mask->second, sinks, false, s);
}

}  // namespace mj
