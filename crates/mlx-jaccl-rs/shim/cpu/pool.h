// Fork-join over chunks that threads take one by one. Knows nothing of kernels.
//
// On shared cores a barrier that spins collapses: a helper that lost its core holds all others. Here every chunk is
// taken, so the caller can do all of them alone; helpers spin for some tens of microseconds (the time between two
// operations of a layer), then sleep in a futex; the caller, once nothing is left to take, yields its core to whoever
// still holds a chunk.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace mj::cpu {

// Cores this process may use: affinity and cgroup quota (v1 and v2), at least 1.
int available_cores();

class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  int threads() const { return threads_; }

  // f(chunk, thread) for chunk 0 .. chunks - 1, in any order and on any thread (0 .. threads() - 1, the caller is 0).
  template <class F> void run(int chunks, F&& f) {
    if (chunks <= 1 || threads_ <= 1) {
      for (int i = 0; i < chunks; i++) f(i, 0);
      return;
    }
    using Body = std::remove_reference_t<F>;
    start([](void* body, int chunk, int thread) { (*static_cast<Body*>(body))(chunk, thread); },
          const_cast<void*>(static_cast<const void*>(&f)), chunks);
  }

 private:
  using Function = void (*)(void*, int, int);
  void start(Function, void* body, int chunks);
  void take(int thread);
  void loop(int thread);

  const int threads_;
  std::vector<std::thread> helpers_;
  Function function_ = nullptr;
  void* body_ = nullptr;
  uint64_t epoch_ = 0;
  // epoch << 40 | chunks << 20 | next chunk: one fetch_add takes a chunk and says which run it belongs to, so a helper
  // that wakes late either takes a chunk of the present run or finds none.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<int> done_{0};
  alignas(64) std::atomic<uint32_t> bell_{0};
  std::atomic<int> asleep_{0};
  std::atomic<bool> closing_{false};
};

}  // namespace mj::cpu
