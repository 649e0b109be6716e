// Blocks of keys and values, and the sequences that own them. Knows nothing of arithmetic.
//
// A block holds kBlock positions of all layers and heads, [layer][kv head] of
//   keys transposed  [head_dim][kBlock]        lane = key: scores run over the head in order
//   values           [kBlock][value_stride]    value_stride = head_dim rounded up to 16
// A block of which a step uses only a part may hold old numbers in the rest: kernels select masked scores away and
// never multiply values of positions that no row sees.
//
// Why a freed block may be given out at once, even while an earlier step still waits to read it: blocks change hands
// on the thread that submits steps, steps run in the order of submission, and the new owner's writes are part of a
// later step. Within a step all copies (Segment::copies, in the order of the kv_reserve calls) come before all writes.
#pragma once
#include "cpu.h"

namespace mj::cpu {

struct KvLayout {
  int layers, kv_heads, head_dim, value_stride;
  size_t head_floats, block_floats;
  size_t offset(int layer, int head) const { return (size_t(layer) * kv_heads + head) * head_floats; }
};

class KvStore {
 public:
  explicit KvStore(const KvConfig&);
  ~KvStore();
  KvStore(const KvStore&) = delete;

  KvLayout layout;
  int open();
  int fork(int handle, int length);
  void truncate(int handle, int length);
  void close(int handle);
  int length(int handle) const { return sequence(handle).length; }
  KvStats stats() const;
  Segment reserve(int handle, int first_row, int rows, int start);
  void read(int handle, int from, int to, float* out) const;
  void append(int handle, int positions, const float* from);

 private:
  struct Sequence {
    bool open = false;
    int length = 0;
    std::vector<int> blocks;
  };
  Sequence& sequence(int handle);
  const Sequence& sequence(int handle) const;
  float* address(int block) const { return memory_ + size_t(block) * layout.block_floats; }
  int allocate();
  void release(int block);
  void shrink(Sequence&, int length);
  template <class Keys, class Values>
  void each_row(const Sequence&, int from, int to, Keys&&, Values&&) const;

  float* memory_ = nullptr;
  size_t mapped_ = 0;
  int total_ = 0, untouched_ = 0, open_ = 0;  // blocks from untouched_ on were never used
  std::vector<int> references_, free_;        // free_: last in, first out, so that warm blocks come back first
  std::vector<Sequence> sequences_;
  std::vector<int> free_handles_;
};

}  // namespace mj::cpu
