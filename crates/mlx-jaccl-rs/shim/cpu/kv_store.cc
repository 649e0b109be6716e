// Reference counts, copy on write and memory of KV blocks.
#include "kv_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>

namespace mj::cpu {
namespace {

KvLayout layout_of(const KvConfig& c) {
  if (c.layers <= 0 || c.kv_heads <= 0 || c.head_dim <= 0)
    throw std::invalid_argument("kv store: layers, kv heads and head dim must be positive");
  KvLayout l{c.layers, c.kv_heads, c.head_dim, (c.head_dim + 15) / 16 * 16, 0, 0};
  l.head_floats = size_t(kBlock) * (l.head_dim + l.value_stride);
  l.block_floats = l.head_floats * l.kv_heads * l.layers;
  return l;
}

int blocks_for(int positions) { return (positions + kBlock - 1) / kBlock; }

}  // namespace

KvStore::KvStore(const KvConfig& c) : layout(layout_of(c)) {
  const size_t block = layout.block_floats * sizeof(float), count = c.capacity_bytes / block;
  if (count == 0) throw std::invalid_argument("kv store: the capacity is less than one block of " +
                                              std::to_string(block) + " bytes");
  total_ = int(std::min<size_t>(count, std::numeric_limits<int>::max() / kBlock));
  mapped_ = size_t(total_) * block;
  // Address space only: pages come (zeroed) when a block is first used.
  void* p = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(p, mapped_, MADV_HUGEPAGE);
#endif
  memory_ = static_cast<float*>(p);
  references_.assign(total_, 0);
}

KvStore::~KvStore() { munmap(memory_, mapped_); }

const KvStore::Sequence& KvStore::sequence(int handle) const {
  if (handle < 0 || handle >= int(sequences_.size()) || !sequences_[handle].open)
    throw std::out_of_range("kv store: no sequence has handle " + std::to_string(handle));
  return sequences_[handle];
}

KvStore::Sequence& KvStore::sequence(int handle) {
  return const_cast<Sequence&>(static_cast<const KvStore*>(this)->sequence(handle));
}

int KvStore::allocate() {
  int block;
  if (free_.empty()) {
    block = untouched_++;
  } else {
    block = free_.back();
    free_.pop_back();
  }
  references_[block] = 1;
  return block;
}

void KvStore::release(int block) {
  if (--references_[block] == 0) free_.push_back(block);
}

void KvStore::shrink(Sequence& s, int length) {
  while (int(s.blocks.size()) > blocks_for(length)) {
    release(s.blocks.back());
    s.blocks.pop_back();
  }
  s.length = length;
}

int KvStore::open() {
  if (free_handles_.empty()) {
    free_handles_.push_back(int(sequences_.size()));
    sequences_.emplace_back();
  }
  const int handle = free_handles_.back();
  free_handles_.pop_back();
  sequences_[handle].open = true;
  open_++;
  return handle;
}

int KvStore::fork(int handle, int length) {
  if (length < 0 || length > sequence(handle).length)
    throw std::out_of_range("kv store: a fork cannot be longer than its sequence");
  const int made = open();
  Sequence& s = sequences_[made];
  const auto& from = sequences_[handle].blocks;
  s.blocks.assign(from.begin(), from.begin() + blocks_for(length));
  s.length = length;
  for (int b : s.blocks) references_[b]++;
  return made;
}

void KvStore::truncate(int handle, int length) {
  Sequence& s = sequence(handle);
  if (length < 0) throw std::out_of_range("kv store: negative length");
  if (length < s.length) shrink(s, length);
}

void KvStore::close(int handle) {
  Sequence& s = sequence(handle);
  shrink(s, 0);
  s.open = false;
  open_--;
  free_handles_.push_back(handle);
}

KvStats KvStore::stats() const {
  const size_t block = layout.block_floats * sizeof(float);
  const int used = untouched_ - int(free_.size());
  return {total_, used, open_, size_t(total_) * block, size_t(used) * block, block};
}

Segment KvStore::reserve(int handle, int first_row, int rows, int start) {
  Sequence& s = sequence(handle);
  if (rows <= 0 || start < 0 || start > s.length)
    throw std::out_of_range("kv store: positions to write must begin at or before the end of the sequence");
  const int end = start + rows, have = std::min(int(s.blocks.size()), blocks_for(end));
  int wanted = blocks_for(end) - have;
  for (int i = start / kBlock; i < have; i++) wanted += references_[s.blocks[i]] > 1;
  if (wanted > int(free_.size()) + total_ - untouched_)
    throw std::length_error("kv store: no free block; finish or evict a sequence");
  shrink(s, std::min(end, s.length));
  Segment segment{first_row, rows, start, {}, {}};
  for (int i = start / kBlock; i < have; i++) {
    const int old = s.blocks[i];
    if (references_[old] == 1) continue;
    s.blocks[i] = allocate();
    references_[old]--;  // shared, so never the last
    // Only the block that `start` cuts keeps positions of the past.
    if (i * kBlock < start) segment.copies.emplace_back(address(s.blocks[i]), address(old));
  }
  while (int(s.blocks.size()) < blocks_for(end)) s.blocks.push_back(allocate());
  s.length = end;
  for (int b : s.blocks) segment.blocks.push_back(address(b));
  return segment;
}

// keys(first, i) and values(first, i): where head i of a position lies, its elements kBlock apart in keys; i counts
// rows of the packed form, [layer, head, position].
template <class Keys, class Values>
void KvStore::each_row(const Sequence& s, int from, int to, Keys&& keys, Values&& values) const {
  size_t row = 0;
  for (int layer = 0; layer < layout.layers; layer++)
    for (int head = 0; head < layout.kv_heads; head++)
      for (int position = from; position < to; position++, row++) {
        float* part = address(s.blocks[position / kBlock]) + layout.offset(layer, head);
        const int slot = position % kBlock;
        keys(part + slot, row);
        values(part + size_t(layout.head_dim) * kBlock + size_t(slot) * layout.value_stride, row);
      }
}

void KvStore::read(int handle, int from, int to, float* out) const {
  const Sequence& s = sequence(handle);
  if (from < 0 || from > to || to > s.length) throw std::out_of_range("kv store: no such positions to read");
  const size_t d = layout.head_dim, rows = size_t(layout.layers) * layout.kv_heads * (to - from);
  float* const values = out + rows * d;
  each_row(
      s, from, to,
      [&](const float* key, size_t row) {
        for (size_t i = 0; i < d; i++) out[row * d + i] = key[i * kBlock];
      },
      [&](const float* value, size_t row) { memcpy(values + row * d, value, d * sizeof(float)); });
}

void KvStore::append(int handle, int positions, const float* from) {
  if (positions <= 0) return;
  const int start = sequence(handle).length;
  kv_apply_copies(*this, reserve(handle, 0, positions, start));
  const size_t d = layout.head_dim, rows = size_t(layout.layers) * layout.kv_heads * positions;
  const float* const values = from + rows * d;
  each_row(
      sequence(handle), start, start + positions,
      [&](float* key, size_t row) {
        for (size_t i = 0; i < d; i++) key[i * kBlock] = from[row * d + i];
      },
      [&](float* value, size_t row) { memcpy(value, values + row * d, d * sizeof(float)); });
}

void KvStoreDeleter::operator()(KvStore* s) const { delete s; }
KvStorePtr make_kv_store(const KvConfig& c) { return KvStorePtr(new KvStore(c)); }
int kv_open(KvStore& s) { return s.open(); }
int kv_fork(KvStore& s, int handle, int length) { return s.fork(handle, length); }
void kv_truncate(KvStore& s, int handle, int length) { s.truncate(handle, length); }
void kv_close(KvStore& s, int handle) { s.close(handle); }
int kv_length(const KvStore& s, int handle) { return s.length(handle); }
KvStats kv_stats(const KvStore& s) { return s.stats(); }
Segment kv_reserve(KvStore& s, int handle, int first_row, int rows, int start) {
  return s.reserve(handle, first_row, rows, start);
}
void kv_read(const KvStore& s, int handle, int from, int to, float* out) { s.read(handle, from, to, out); }
void kv_append(KvStore& s, int handle, int positions, const float* from) { s.append(handle, positions, from); }
void kv_apply_copies(const KvStore& s, const Segment& segment) {
  for (auto [to, from] : segment.copies) memcpy(to, from, s.layout.block_floats * sizeof(float));
}

}  // namespace mj::cpu
