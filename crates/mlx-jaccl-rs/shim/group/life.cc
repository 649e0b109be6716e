#include "life.h"

#include <time.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "sockets.h"

namespace mj {

namespace {

// A peer that ends says why on another socket than the one that is seen closed first.
constexpr int64_t kReasonMs = 300;
constexpr int64_t kReasonStepMs = 2;

struct Registry {
  std::mutex mutex;
  std::vector<std::weak_ptr<Life>> lives;  // oldest first
};
Registry& registry() {
  static Registry* made = new Registry;  // threads may still end when statics are destroyed
  return *made;
}

}  // namespace

std::shared_ptr<Life> make_life(int rank, int size, std::string backend) {
  auto life = std::make_shared<Life>(rank, size, std::move(backend));
  auto& r = registry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  std::erase_if(r.lives, [](auto& one) { return one.expired(); });
  r.lives.push_back(life);
  return life;
}

std::shared_ptr<Life> newest_group() {
  auto& r = registry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  for (auto one = r.lives.rbegin(); one != r.lives.rend(); ++one)
    if (auto life = one->lock()) return life;
  return nullptr;
}

void abort_groups(const std::string& reason) {
  std::vector<std::shared_ptr<Life>> found;
  {
    auto& r = registry();
    const std::lock_guard<std::mutex> lock(r.mutex);
    for (auto& one : r.lives)
      if (auto life = one.lock()) found.push_back(std::move(life));
  }
  for (auto& life : found) life->lose(reason.empty() ? "aborted" : reason);
}

Life::Life(int rank, int size, std::string backend)
    : rank_(rank), size_(size), backend_(std::move(backend)), progressed_ms_(now_ms()) {}
Life::~Life() = default;

void Life::lose(const std::string& reason, bool tell) {
  std::function<void()> wake;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (lost_.load(std::memory_order_relaxed)) return;
    reason_ = reason;
    tell_.store(tell, std::memory_order_release);
    lost_.store(true, std::memory_order_release);
    wake = std::move(wake_);
  }
  if (wake) wake();
}

void Life::on_lost(std::function<void()> wake) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!lost_.load(std::memory_order_relaxed)) {
      wake_ = std::move(wake);
      return;
    }
  }
  wake();
}

std::string Life::reason() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return reason_;
}

void Life::fail(const std::string& reason) {
  lose(reason);
  throw std::runtime_error(kGroupLost + this->reason());
}

void Life::check() {
  if (is_lost()) fail("");
  const int left = left_.load(std::memory_order_acquire);
  if (left >= 0) fail("rank " + std::to_string(left) + " closed its connection");
}

void Life::closed_by(int peer) {
  for (int64_t waited = 0; waited < kReasonMs && !is_lost(); waited += kReasonStepMs) {
    const timespec moment{0, kReasonStepMs * 1'000'000};
    ::nanosleep(&moment, nullptr);
  }
  fail("rank " + std::to_string(peer) + " closed its connection");
}

void Life::end(uint64_t bytes, uint64_t us) {
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  us_.fetch_add(us, std::memory_order_relaxed);
  progressed_ms_.store(now_ms(), std::memory_order_relaxed);
  ended_.fetch_add(1, std::memory_order_acq_rel);
}

RankCounters Life::counters() const {
  // `ended` first: a collective that ends meanwhile is then still inside, never ended before it began.
  RankCounters c;
  c.ended = ended_.load(std::memory_order_acquire);
  c.begun = begun_.load(std::memory_order_acquire);
  c.progress = progress_.load(std::memory_order_relaxed);
  c.steps = steps_.load(std::memory_order_relaxed);
  c.bytes = bytes_.load(std::memory_order_relaxed);
  c.collective_us = us_.load(std::memory_order_relaxed);
  return c;
}

std::string Life::backend() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return backend_;
}
void Life::set_backend(std::string backend, bool guarded) {
  const std::lock_guard<std::mutex> lock(mutex_);
  backend_ = std::move(backend);
  guarded_ = guarded;
}

void Life::heard(int peer, const RankCounters& counters) {
  const std::lock_guard<std::mutex> lock(mutex_);
  peers_[peer] = {counters, now_ms()};
}
PeerState Life::peer(int rank) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return peers_[rank];
}

}  // namespace mj
