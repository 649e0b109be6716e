// Threads, kernels and scratch memory of one user of shim/cpu.
#pragma once
#include <map>

#include "cpu.h"
#include "kernels/kernels.h"
#include "pool.h"

namespace mj::cpu {

// Memory that grows to the largest request and is reused; 64-byte aligned. Contents do not survive a larger request.
class Scratch {
 public:
  ~Scratch();
  uint8_t* bytes(size_t n);
  float* floats(size_t n) { return reinterpret_cast<float*>(bytes(n * sizeof(float))); }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// cos and sin of the rows of a step, [rows][rope_dims / 2] each; the layers of a step ask for the same ones.
struct RopeAngles {
  std::vector<float> frequencies;
  std::vector<int> positions;
  float scale = 0;
  std::vector<float> cos, sin;
  uint64_t used = 0;
};

class Context {
 public:
  explicit Context(const Options&);
  Isa isa;
  Numeric numeric;
  const Kernels* kernels;
  Pool pool;
  Scratch shared;                    // of the operation in progress
  std::vector<Scratch> per_thread;
  std::vector<RopeAngles> angles;    // the last few (models with local and global layers have two)
  uint64_t clock = 0;
};

// Splits `items` into chunks of at least `grain` and runs f(first, last, thread).
template <class F> void for_ranges(Context& c, size_t items, size_t grain, F&& f) {
  const size_t most = size_t(c.pool.threads()) * 4;
  size_t chunks = grain ? items / grain : items;
  chunks = c.pool.threads() == 1 || chunks < 1 ? 1 : chunks > most ? most : chunks;
  c.pool.run(int(chunks), [&](int i, int thread) { f(items * i / chunks, items * (i + 1) / chunks, thread); });
}

}  // namespace mj::cpu
