// Growth, sharing and accounting of KV arrays.
#include "kv.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

#include "mlx/ops.h"
#include "mlx/transforms.h"

namespace mj {

ArraySequences::ArraySequences(const mj_kv_options& o, int element_bytes, mx::Stream stream)
    : options_(o),
      granule_bytes_(int64_t{kGranule} * o.layers * o.kv_heads * o.head_dim * 2 * element_bytes),
      granules_(static_cast<int64_t>(o.capacity_bytes / granule_bytes_)),
      stream_(stream) {}

int ArraySequences::slot() {
  for (size_t i = 0; i < sequences_.size(); ++i)
    if (!sequences_[i].open) return static_cast<int>(i);
  sequences_.emplace_back();
  return static_cast<int>(sequences_.size()) - 1;
}
std::shared_ptr<ArraySequences::Cache> ArraySequences::new_cache() const {
  auto cache = std::make_shared<Cache>();
  cache->keys.resize(options_.layers);
  cache->values.resize(options_.layers);
  return cache;
}
int ArraySequences::open() {
  const int handle = slot();
  sequences_[handle] = {true, 0, new_cache(), {}};
  return handle;
}
int ArraySequences::fork(int handle, int length) {
  if (length > 0 && sequences_[handle].seat.slab >= 0) unseat(handle);
  const auto cache = length > 0 ? sequences_[handle].cache : new_cache();
  const int made = slot();
  sequences_[made] = {true, length, cache, {}};
  return made;
}
void ArraySequences::truncate(int handle, int length) { sequences_[handle].length = length; }
void ArraySequences::close(int handle) {
  const Seat seat = sequences_[handle].seat;
  sequences_[handle] = {};
  if (seat.slab >= 0) leave(seat);
}

int64_t ArraySequences::used() const {
  int64_t positions = 0;
  std::unordered_set<const Cache*> seen;
  for (auto& s : sequences_)
    if (s.cache && seen.insert(s.cache.get()).second) positions += s.cache->capacity;
  for (auto& slab : slabs_)
    if (slab) positions += int64_t{slab->capacity} * slab->rows();
  return positions / kGranule;
}
bool ArraySequences::shared(const Sequence& one) const {
  return std::count_if(sequences_.begin(), sequences_.end(), [&](auto& s) { return s.cache == one.cache; }) > 1;
}

mj_kv_stats ArraySequences::stats() const {
  const int64_t open = std::count_if(sequences_.begin(), sequences_.end(), [](auto& s) { return s.open; });
  const int64_t taken = used();
  return {granules_, taken, kGranule, open, static_cast<uint64_t>(granule_bytes_),
          static_cast<uint64_t>(granules_ * granule_bytes_), static_cast<uint64_t>(taken * granule_bytes_)};
}

ArraySequences::State ArraySequences::save() {
  State state{sequences_, slabs_};
  for (auto& slab : slabs_)
    if (slab) slab = std::make_shared<Slab>(*slab);
  return state;
}
void ArraySequences::restore(State&& state) {
  sequences_ = std::move(state.sequences);
  slabs_ = std::move(state.slabs);
}

void ArraySequences::reserve(int handle, int length) {
  if (const Seat seat = sequences_[handle].seat; seat.slab >= 0) {
    if (length <= slabs_[seat.slab]->capacity) {
      sequences_[handle].length = length;
      return;
    }
    unseat(handle);
  }
  Sequence& s = sequences_[handle];
  const int needed = (length + kGranule - 1) / kGranule * kGranule;
  const int capacity = std::max(needed, s.cache->capacity);
  const int64_t more = (shared(s) ? capacity : capacity - s.cache->capacity) / kGranule;
  if (more > 0 && used() + more > granules_) {
    dissolve();
    if (used() + more > granules_)
      throw std::length_error("KV memory is full: all " + std::to_string(granules_) + " blocks are taken");
  }
  auto cache = std::make_shared<Cache>(*s.cache);
  cache->capacity = capacity;
  s.cache = std::move(cache);
  s.length = length;
}

mx::array ArraySequences::zeros(int rows, int capacity, mx::Dtype type) const {
  return mx::zeros({rows, options_.kv_heads, capacity, options_.head_dim}, type, stream_);
}
void ArraySequences::put(std::optional<mx::array>& array, int capacity, int start, const mx::array& rows) const {
  const int have = array ? array->shape(2) : 0;
  if (have < capacity) {
    mx::array more = zeros(1, capacity - have, rows.dtype());
    array = array ? mx::concatenate({*array, more}, 2, stream_) : more;
  }
  const int end = start + rows.shape(2);
  array = mx::slice_update(*array, rows, mx::Shape{0, 0, start, 0},
                           mx::Shape{1, options_.kv_heads, end, options_.head_dim}, stream_);
}
void ArraySequences::write(int handle, int layer, int start, const mx::array& keys, const mx::array& values) {
  type_ = keys.dtype();
  const Sequence& s = sequences_[handle];
  if (s.seat.slab < 0) {
    Cache& cache = *s.cache;  // reserve() made it for the step that writes
    put(cache.keys[layer], cache.capacity, start, keys);
    put(cache.values[layer], cache.capacity, start, values);
    return;
  }
  Slab& slab = *slabs_[s.seat.slab];
  const mx::Shape from{s.seat.row, 0, start, 0};
  const mx::Shape to{s.seat.row + 1, options_.kv_heads, start + keys.shape(2), options_.head_dim};
  for (auto [array, rows] : {std::pair{&slab.keys[layer], &keys}, std::pair{&slab.values[layer], &values}}) {
    if (!*array) *array = zeros(slab.rows(), slab.capacity, rows->dtype());
    *array = mx::slice_update(**array, *rows, from, to, stream_);
  }
}
mx::array ArraySequences::part(int handle, const Layers& own, const Layers* slab, int layer, int from, int to) const {
  const int row = slab ? sequences_[handle].seat.row : 0;
  return mx::slice((slab ? *slab : own)[layer].value(), {row, 0, from, 0},
                   {row + 1, options_.kv_heads, to, options_.head_dim}, stream_);
}
mx::array ArraySequences::keys(int handle, int layer, int from, int to) const {
  const Sequence& s = sequences_[handle];
  if (s.seat.slab < 0) return part(handle, s.cache->keys, nullptr, layer, from, to);
  return part(handle, {}, &slabs_[s.seat.slab]->keys, layer, from, to);
}
mx::array ArraySequences::values(int handle, int layer, int from, int to) const {
  const Sequence& s = sequences_[handle];
  if (s.seat.slab < 0) return part(handle, s.cache->values, nullptr, layer, from, to);
  return part(handle, {}, &slabs_[s.seat.slab]->values, layer, from, to);
}
void ArraySequences::roots(int handle, std::vector<mx::array>& out) const {
  const Sequence& s = sequences_[handle];
  const Layers& keys = s.cache ? s.cache->keys : slabs_[s.seat.slab]->keys;
  const Layers& values = s.cache ? s.cache->values : slabs_[s.seat.slab]->values;
  for (auto* arrays : {&keys, &values})
    for (auto& a : *arrays)
      if (a) out.push_back(*a);
}
// f32 holds every number of the narrower types, so that what is read and appended again is the same.
void ArraySequences::read(int handle, int from, int to, float* out) {
  const size_t each = size_t(to - from) * options_.kv_heads * options_.head_dim;
  for (int half = 0; half < 2; ++half)
    for (int layer = 0; layer < options_.layers; ++layer, out += each) {
      const mx::array rows = half == 0 ? keys(handle, layer, from, to) : values(handle, layer, from, to);
      mx::array plain = mx::contiguous(mx::astype(rows, mx::float32, stream_), false, stream_);
      plain.eval();
      std::memcpy(out, plain.data<float>(), each * sizeof(float));
    }
}
void ArraySequences::append(int handle, int positions, const float* from) {
  if (!type_) throw std::invalid_argument("the type of keys and values is not known before the first step");
  const int start = sequences_[handle].length;
  const mx::Shape shape{1, options_.kv_heads, positions, options_.head_dim};
  const size_t each = size_t(positions) * options_.kv_heads * options_.head_dim;
  const float* const second = from + each * options_.layers;
  reserve(handle, start + positions);
  for (int layer = 0; layer < options_.layers; ++layer) {
    const auto rows = [&](const float* half) {
      return mx::astype(mx::array(half + layer * each, shape), *type_, stream_);
    };
    write(handle, layer, start, rows(from), rows(second));
  }
  std::vector<mx::array> made = take_copies();
  roots(handle, made);
  mx::eval(made);
}
std::vector<mx::array> ArraySequences::take_copies() { return std::exchange(copies_, {}); }

}  // namespace mj
