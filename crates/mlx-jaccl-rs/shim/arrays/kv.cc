// Growth, sharing and accounting of KV arrays.
#include "kv.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "mlx/ops.h"

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
  cache->used = used_;
  cache->keys.resize(options_.layers);
  cache->values.resize(options_.layers);
  return cache;
}
int ArraySequences::open() {
  const int handle = slot();
  sequences_[handle] = {true, 0, new_cache()};
  return handle;
}
int ArraySequences::fork(int handle, int length) {
  const auto cache = length > 0 ? sequences_[handle].cache : new_cache();
  const int made = slot();
  sequences_[made] = {true, length, cache};
  return made;
}
void ArraySequences::truncate(int handle, int length) { sequences_[handle].length = length; }
void ArraySequences::close(int handle) { sequences_[handle] = {}; }

mj_kv_stats ArraySequences::stats() const {
  const int64_t open = std::count_if(sequences_.begin(), sequences_.end(), [](auto& s) { return s.open; });
  return {granules_, *used_, kGranule, open, static_cast<uint64_t>(granule_bytes_),
          static_cast<uint64_t>(granules_ * granule_bytes_), static_cast<uint64_t>(*used_ * granule_bytes_)};
}

ArraySequences::Saved ArraySequences::reserve(int handle, int length) {
  Sequence& s = sequences_[handle];
  const int needed = (length + kGranule - 1) / kGranule * kGranule;
  const int capacity = std::max(needed, s.cache->capacity);
  // What is not shared is given back when the step is submitted, so only the growth counts.
  const bool shared = s.cache.use_count() > 1;
  const int64_t more = (shared ? capacity : capacity - s.cache->capacity) / kGranule;
  if (*used_ + more > granules_)
    throw std::length_error("KV memory is full: all " + std::to_string(granules_) + " blocks are taken");
  Saved saved{handle, s.length, s.cache};
  auto cache = new_cache();
  cache->keys = s.cache->keys;
  cache->values = s.cache->values;
  cache->capacity = capacity;
  *used_ += capacity / kGranule;
  s.cache = std::move(cache);
  s.length = length;
  return saved;
}
void ArraySequences::restore(Saved&& saved) {
  sequences_[saved.handle].cache = std::move(saved.cache);
  sequences_[saved.handle].length = saved.length;
}

void ArraySequences::put(std::optional<mx::array>& array, int capacity, int start, const mx::array& rows) const {
  const int have = array ? array->shape(2) : 0;
  if (have < capacity) {
    mx::array zeros = mx::zeros({1, options_.kv_heads, capacity - have, options_.head_dim}, rows.dtype(), stream_);
    array = array ? mx::concatenate({*array, zeros}, 2, stream_) : zeros;
  }
  const int end = start + rows.shape(2);
  array = mx::slice_update(*array, rows, mx::Shape{0, 0, start, 0},
                           mx::Shape{1, options_.kv_heads, end, options_.head_dim}, stream_);
}
void ArraySequences::write(int handle, int layer, int start, const mx::array& keys, const mx::array& values) {
  Cache& cache = *sequences_[handle].cache;
  put(cache.keys[layer], cache.capacity, start, keys);
  put(cache.values[layer], cache.capacity, start, values);
}
mx::array ArraySequences::part(const std::vector<std::optional<mx::array>>& arrays, int layer, int from, int to) const {
  return mx::slice(arrays[layer].value(), {0, 0, from, 0}, {1, options_.kv_heads, to, options_.head_dim}, stream_);
}
mx::array ArraySequences::keys(int handle, int layer, int from, int to) const {
  return part(sequences_[handle].cache->keys, layer, from, to);
}
mx::array ArraySequences::values(int handle, int layer, int from, int to) const {
  return part(sequences_[handle].cache->values, layer, from, to);
}
void ArraySequences::roots(int handle, std::vector<mx::array>& out) const {
  for (auto* arrays : {&sequences_[handle].cache->keys, &sequences_[handle].cache->values})
    for (auto& a : *arrays)
      if (a) out.push_back(*a);
}

}  // namespace mj
