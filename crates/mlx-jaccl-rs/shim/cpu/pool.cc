// Threads of the fork-join pool, and how many of them this process should have.
#include "pool.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>
#include <string>

#ifdef __linux__
#include <sched.h>
#endif

namespace mj::cpu {
namespace {

constexpr int kSpins = 3000;         // pauses of a helper before it sleeps
constexpr int kWaiterSpins = 200;    // pauses of the caller before it yields
constexpr int kMaxChunks = 1 << 19;  // of the 20 bits of a ticket; the rest is for late takers

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

double quota_cores() {
  std::string quota, period;
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> quota >> period) {
    if (quota == "max") return INFINITY;
    return std::stod(quota) / std::stod(period);
  }
  double q = -1, p = 0;
  std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> q;
  std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> p;
  return q > 0 && p > 0 ? q / p : INFINITY;
}

}  // namespace

int available_cores() {
  int cores = int(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
#endif
  const double quota = quota_cores();
  if (quota < cores) cores = int(std::floor(quota));
  return std::max(cores, 1);
}

Pool::Pool(int threads) : threads_(std::max(threads, 1)) {
  for (int i = 1; i < threads_; i++) helpers_.emplace_back([this, i] { loop(i); });
}

Pool::~Pool() {
  closing_.store(true);
  bell_.fetch_add(1, std::memory_order_release);
  bell_.notify_all();
  for (auto& t : helpers_) t.join();
}

void Pool::take(int thread) {
  for (;;) {
    const uint64_t t = ticket_.fetch_add(1, std::memory_order_acq_rel);
    const int next = int(t & 0xfffff), chunks = int(t >> 20 & 0xfffff);
    if (next >= chunks) return;
    function_(body_, next, thread);
    done_.fetch_add(1, std::memory_order_release);
  }
}

void Pool::loop(int thread) {
  uint32_t seen = 0;
  while (!closing_.load(std::memory_order_acquire)) {
    uint32_t now;
    for (int spins = 0; (now = bell_.load(std::memory_order_acquire)) == seen;) {
      if (++spins < kSpins) {
        pause();
      } else {
        asleep_.fetch_add(1);
        bell_.wait(seen);
        asleep_.fetch_sub(1);
        spins = 0;
      }
    }
    seen = now;
    if (!closing_.load(std::memory_order_acquire)) take(thread);
  }
}

void Pool::start(Function function, void* body, int chunks) {
  if (chunks > kMaxChunks) throw std::invalid_argument("pool: too many chunks");
  function_ = function;
  body_ = body;
  done_.store(0, std::memory_order_relaxed);
  epoch_++;
  ticket_.store(epoch_ << 40 | uint64_t(chunks) << 20, std::memory_order_release);
  // Sequentially consistent with the sleeper's count: either it sees the new bell or this sees the sleeper.
  bell_.fetch_add(1);
  if (asleep_.load()) bell_.notify_all();
  take(0);
  for (int spins = 0; done_.load(std::memory_order_acquire) < chunks;) {
    if (++spins < kWaiterSpins) pause();
    else std::this_thread::yield();
  }
}

}  // namespace mj::cpu
