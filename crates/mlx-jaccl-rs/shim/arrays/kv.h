// KV memory as MLX arrays. A sequence has arrays of its own, per layer keys and values [1, kv heads, capacity, head
// size], the capacity a multiple of 256 (cuDNN takes such slices in decode); or, while it decodes in company, a row of
// a slab, whose rows one operation writes and one operation attends to. Arrays are values: a fork shares them, and the
// first write copies. Knows no programs.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "../executor.h"

namespace mj {

class ArraySequences final : public Sequences {
 public:
  static constexpr int kGranule = 256;  // positions

  // Keys and values of one sequence or slab, by layer; empty: nothing was written yet.
  using Layers = std::vector<std::optional<mx::array>>;
  struct Cache {
    Layers keys, values;
    int capacity = 0;  // positions
  };
  // Rows of decoding sequences, side by side: per layer [rows, kv heads, capacity, head size].
  struct Slab {
    Layers keys, values;
    int capacity = 0;        // positions of a row, a power of two
    std::vector<int> owner;  // by row: a handle, -1: free
    int rows() const { return static_cast<int>(owner.size()); }
  };
  struct Seat {
    int slab = -1, row = -1;  // slab -1: arrays of its own
  };

  ArraySequences(const mj_kv_options&, int element_bytes, mx::Stream);
  int open() override;
  int fork(int handle, int length) override;
  void truncate(int handle, int length) override;
  void close(int handle) override;
  int length(int handle) const override { return sequences_[handle].length; }
  mj_kv_stats stats() const override;
  void read(int handle, int from, int to, float* out) override;
  void append(int handle, int positions, const float* from) override;
  int kv_heads() const { return options_.kv_heads; }
  int head_dim() const { return options_.head_dim; }

 private:
  struct Sequence {
    bool open = false;
    int length = 0;
    std::shared_ptr<Cache> cache;  // null: seated
    Seat seat;
  };

 public:
  // What a failed step must put back. Dropped before evaluation, or every write would copy.
  struct State {
    std::vector<Sequence> sequences;
    std::vector<std::shared_ptr<Slab>> slabs;
  };
  // Everything as it is; later changes go to copies.
  State save();
  void restore(State&&);

  // Gives the sequence room of its own for `length` positions and sets its length. Throws std::length_error when the
  // store is full; after restore() nothing has changed.
  void reserve(int handle, int length);
  // Seats sequences that take `rows` positions each in slabs, with room for their new lengths, and sets these. The
  // other rows of such a slab have `rows` positions behind their length to spare. False when the store has no room for
  // that: then each is to be reserved alone.
  bool seat(const std::vector<int>& handles, const std::vector<int>& lengths, int rows);
  Seat seat_of(int handle) const { return sequences_[handle].seat; }
  const Slab& slab(int number) const { return *slabs_[number]; }

  // Writes rows [1, kv heads, rows, head size] of a layer at position `start`.
  void write(int handle, int layer, int start, const mx::array& keys, const mx::array& values);
  // Writes rows [slab rows, kv heads, T, head size] at the positions that `at`, i32 of the same shape, names.
  void write_slab(int number, int layer, const mx::array& at, const mx::array& keys, const mx::array& values);
  // Positions [from, to) of a layer: [1, kv heads, to - from, head size].
  mx::array keys(int handle, int layer, int from, int to) const;
  mx::array values(int handle, int layer, int from, int to) const;
  // What has to be evaluated so that this sequence's last writes happen.
  void roots(int handle, std::vector<mx::array>& out) const;
  // Copies made since the last call: unevaluated they would keep what they were copied from.
  std::vector<mx::array> take_copies();

 private:
  int slot();
  std::shared_ptr<Cache> new_cache() const;
  int64_t used() const;  // granules
  bool shared(const Sequence&) const;
  void leave(Seat);
  void unseat(int handle);
  void dissolve();
  bool take_row(int handle, int length, const std::vector<int>& company);
  int free_row(int slab, const std::vector<int>& company);
  bool grow(int slab, int rows);
  mx::array zeros(int rows, int capacity, mx::Dtype) const;
  void put(std::optional<mx::array>& array, int capacity, int start, const mx::array& rows) const;
  mx::array part(int handle, const Layers& own, const Layers* slab, int layer, int from, int to) const;

  mj_kv_options options_;
  int64_t granule_bytes_, granules_;
  mx::Stream stream_;
  std::vector<Sequence> sequences_;
  std::vector<std::shared_ptr<Slab>> slabs_;  // null: dissolved
  std::vector<mx::array> copies_;
  std::optional<mx::Dtype> type_;  // of keys and values, once any were written
};

}  // namespace mj
