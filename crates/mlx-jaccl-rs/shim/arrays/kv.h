// KV memory as MLX arrays: per sequence and layer keys and values [1, kv heads, capacity, head size], contiguous, the
// capacity a multiple of 256 (cuDNN takes such slices in decode). Arrays are values: a fork shares them, and the first
// write copies. Knows no programs.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "../executor.h"

namespace mj {

class ArraySequences final : public Sequences {
 public:
  static constexpr int kGranule = 256;  // positions

  ArraySequences(const mj_kv_options&, int element_bytes, mx::Stream);
  int open() override;
  int fork(int handle, int length) override;
  void truncate(int handle, int length) override;
  void close(int handle) override;
  int length(int handle) const override { return sequences_[handle].length; }
  mj_kv_stats stats() const override;

  // The arrays of one sequence, layer by layer; empty: nothing was written yet.
  struct Cache {
    std::vector<std::optional<mx::array>> keys, values;
    int capacity = 0;               // positions
    std::shared_ptr<int64_t> used;  // granules of the whole store
    ~Cache() { *used -= capacity / kGranule; }
  };
  // What a failed step must put back. Dropped before evaluation, or every write would copy the cache.
  struct Saved {
    int handle, length;
    std::shared_ptr<Cache> cache;
  };
  // Gives the sequence arrays of its own with room for `length` positions and sets its length. Throws
  // std::length_error when the store is full; then nothing has changed.
  Saved reserve(int handle, int length);
  void restore(Saved&&);
  // Writes rows [1, kv heads, rows, head size] of a layer at position `start`.
  void write(int handle, int layer, int start, const mx::array& keys, const mx::array& values);
  // Positions [from, to) of a layer: [1, kv heads, to - from, head size].
  mx::array keys(int handle, int layer, int from, int to) const;
  mx::array values(int handle, int layer, int from, int to) const;
  void roots(int handle, std::vector<mx::array>& out) const;

 private:
  struct Sequence {
    bool open = false;
    int length = 0;
    std::shared_ptr<Cache> cache;
  };
  int slot();
  std::shared_ptr<Cache> new_cache() const;
  void put(std::optional<mx::array>& array, int capacity, int start, const mx::array& rows) const;
  mx::array part(const std::vector<std::optional<mx::array>>&, int layer, int from, int to) const;

  mj_kv_options options_;
  int64_t granule_bytes_, granules_;
  mx::Stream stream_;
  std::shared_ptr<int64_t> used_ = std::make_shared<int64_t>(0);
  std::vector<Sequence> sequences_;
};

}  // namespace mj
