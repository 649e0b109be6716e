// Which sequences share a slab. A row costs its whole capacity, so capacities are powers of two, a slab has at most
// twice the rows that it needs, and all are dissolved when the store is short.
#include <algorithm>
#include <bit>

#include "kv.h"
#include "mlx/ops.h"

namespace mj {

namespace {
constexpr int kFewestRows = 4;
// A slab this much larger than its company is made anew: its free rows are attended to as well.
constexpr int kMostRowsPerMember = 4;

bool rests(int handle, const std::vector<int>& company) {
  return std::find(company.begin(), company.end(), handle) == company.end();
}
}  // namespace

bool ArraySequences::seat(const std::vector<int>& handles, const std::vector<int>& lengths, int rows) {
  const int count = static_cast<int>(handles.size());
  for (int number = 0; number < static_cast<int>(slabs_.size()); ++number) {
    if (!slabs_[number] || slabs_[number]->rows() <= std::max(kFewestRows, kMostRowsPerMember * count)) continue;
    for (int owner : std::vector<int>(slabs_[number]->owner))
      if (owner >= 0) unseat(owner);
  }
  for (int i = 0; i < count; ++i) {
    const Seat seat = sequences_[handles[i]].seat;
    if (seat.slab < 0 || slabs_[seat.slab]->capacity < lengths[i])
      if (!take_row(handles[i], lengths[i], handles)) return false;
  }
  for (int i = 0; i < count; ++i) sequences_[handles[i]].length = lengths[i];
  for (auto& slab : slabs_) {
    if (!slab) continue;
    const int capacity = slab->capacity;
    for (int owner : std::vector<int>(slab->owner))
      if (owner >= 0 && rests(owner, handles) && sequences_[owner].length + rows > capacity) unseat(owner);
  }
  return true;
}

// Moves a sequence into a row with room for `length` positions, in a slab that fits its company.
bool ArraySequences::take_row(int handle, int length, const std::vector<int>& company) {
  const int capacity = std::max(kGranule, static_cast<int>(std::bit_ceil(static_cast<unsigned>(length))));
  int number = 0;
  const int known = static_cast<int>(slabs_.size());
  while (number < known && !(slabs_[number] && slabs_[number]->capacity == capacity)) ++number;
  if (number == known) {
    number = 0;
    while (number < known && slabs_[number]) ++number;
    const int rows = std::max(kFewestRows, static_cast<int>(std::bit_ceil(company.size())));
    if (used() + int64_t{rows} * capacity / kGranule > granules_) return false;
    auto slab = std::make_shared<Slab>();
    slab->capacity = capacity;
    slab->keys.resize(options_.layers);
    slab->values.resize(options_.layers);
    slab->owner.assign(rows, -1);
    if (number == known) slabs_.push_back(std::move(slab));
    else slabs_[number] = std::move(slab);
  }
  const int row = free_row(number, company);
  if (row < 0) return false;
  Sequence& s = sequences_[handle];
  Slab& slab = *slabs_[number];
  for (int layer = 0; layer < options_.layers && s.length > 0; ++layer) {
    const mx::Shape from{row, 0, 0, 0}, to{row + 1, options_.kv_heads, s.length, options_.head_dim};
    const mx::array k = keys(handle, layer, 0, s.length), v = values(handle, layer, 0, s.length);
    auto& into_k = slab.keys[layer];
    auto& into_v = slab.values[layer];
    into_k = mx::slice_update(into_k ? *into_k : zeros(slab.rows(), capacity, k.dtype()), k, from, to, stream_);
    into_v = mx::slice_update(into_v ? *into_v : zeros(slab.rows(), capacity, v.dtype()), v, from, to, stream_);
  }
  if (s.seat.slab >= 0) leave(s.seat);
  slab.owner[row] = handle;
  s.cache = nullptr;
  s.seat = {number, row};
  return true;
}

// A row that nobody of the company needs: a free one, a new one, or that of a sequence that rests.
int ArraySequences::free_row(int number, const std::vector<int>& company) {
  auto find = [&](auto wanted) {
    const auto& owner = slabs_[number]->owner;
    const auto at = std::find_if(owner.begin(), owner.end(), wanted);
    return at == owner.end() ? -1 : static_cast<int>(at - owner.begin());
  };
  auto is_free = [](int owner) { return owner < 0; };
  if (const int row = find(is_free); row >= 0) return row;
  if (const int row = find([&](int owner) { return rests(owner, company); }); row >= 0) {
    unseat(slabs_[number]->owner[row]);
    return row;
  }
  return grow(number, 2 * slabs_[number]->rows()) ? find(is_free) : -1;
}

bool ArraySequences::grow(int number, int rows) {
  Slab& slab = *slabs_[number];
  const int more = rows - slab.rows();
  if (used() + int64_t{more} * slab.capacity / kGranule > granules_) return false;
  for (auto* arrays : {&slab.keys, &slab.values})
    for (auto& a : *arrays)
      if (a) a = mx::concatenate({*a, zeros(more, slab.capacity, a->dtype())}, 0, stream_);
  slab.owner.resize(rows, -1);
  return true;
}

// Frees a row. A slab goes with its last one.
void ArraySequences::leave(Seat seat) {
  auto& owner = slabs_[seat.slab]->owner;
  owner[seat.row] = -1;
  if (std::all_of(owner.begin(), owner.end(), [](int h) { return h < 0; })) slabs_[seat.slab] = nullptr;
}

// Gives a sequence arrays of its own again.
void ArraySequences::unseat(int handle) {
  Sequence& s = sequences_[handle];
  auto cache = new_cache();
  cache->capacity = (s.length + kGranule - 1) / kGranule * kGranule;
  for (int layer = 0; layer < options_.layers && s.length > 0; ++layer) {
    put(cache->keys[layer], cache->capacity, 0, keys(handle, layer, 0, s.length));
    put(cache->values[layer], cache->capacity, 0, values(handle, layer, 0, s.length));
    copies_.push_back(*cache->keys[layer]);
    copies_.push_back(*cache->values[layer]);
  }
  leave(s.seat);
  s.cache = std::move(cache);
  s.seat = {};
}

void ArraySequences::dissolve() {
  for (size_t i = 0; i < sequences_.size(); ++i)
    if (sequences_[i].seat.slab >= 0) unseat(static_cast<int>(i));
}

void ArraySequences::write_slab(int number, int layer, const mx::array& at, const mx::array& keys,
                                const mx::array& values) {
  type_ = keys.dtype();
  Slab& slab = *slabs_[number];
  for (auto [arrays, rows] : {std::pair{&slab.keys, &keys}, std::pair{&slab.values, &values}}) {
    auto& array = (*arrays)[layer];
    if (!array) array = zeros(slab.rows(), slab.capacity, rows->dtype());
    array = mx::put_along_axis(*array, at, *rows, 2, stream_);
  }
}

}  // namespace mj
