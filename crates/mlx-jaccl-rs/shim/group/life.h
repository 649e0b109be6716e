// The life of one rank group in this process: whether it is lost and why, and its counters. Every wait of the group
// looks here. From any thread.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "watch.h"

namespace mj {

constexpr int kMostRanks = 8;

// How an error of a step begins that cannot go on because of another rank.
inline constexpr const char* kGroupLost = "rank group lost: ";

// What a rank tells the others with every beat.
struct RankCounters {
  uint64_t begun = 0, ended = 0;  // collectives; they differ while the rank is inside one
  uint64_t progress = 0;          // bytes or completions that came
  uint64_t steps = 0;             // command buffers submitted
  uint64_t bytes = 0;             // operands of the collectives of this rank
  uint64_t collective_us = 0;     // time inside them, waiting for other ranks included
};

// What is known of another rank.
struct PeerState {
  RankCounters counters;
  int64_t heard_ms = 0;  // monotonic; 0: never
};

class Life final : public Watch {
 public:
  Life(int rank, int size, std::string backend);
  ~Life() override;
  Life(const Life&) = delete;

  bool is_lost() const { return lost_.load(std::memory_order_acquire); }
  bool is_over() const override { return is_lost() || left_.load(std::memory_order_acquire) >= 0; }
  void check() override;
  [[noreturn]] void fail(const std::string& reason) override;
  void progress(uint64_t amount) override { progress_.fetch_add(amount, std::memory_order_relaxed); }

  // The first reason stays. `tell`: the other ranks are to hear it from this one.
  void lose(const std::string& reason, bool tell = true);
  // A peer has gone in good order: messages that came before can still be read, collectives cannot run.
  void leave(int peer) { left_.store(peer, std::memory_order_release); }
  std::string reason() const;
  bool is_to_be_told() const { return tell_.load(std::memory_order_acquire); }
  // Called once, by the thread that loses the group.
  void on_lost(std::function<void()> wake);
  // Waits a moment for the reason that a dying peer may have sent, then loses the group for the given one.
  [[noreturn]] void closed_by(int peer);

  void begin() { begun_.fetch_add(1, std::memory_order_acq_rel); }
  void end(uint64_t bytes, uint64_t us);
  void step() { steps_.fetch_add(1, std::memory_order_relaxed); }
  RankCounters counters() const;
  uint64_t operation() const { return begun_.load(std::memory_order_relaxed); }

  int rank() const { return rank_; }
  int size() const { return size_; }
  std::string backend() const;
  // Said once, when the transport is up.
  void set_backend(std::string backend, bool guarded);
  bool is_guarded() const { return guarded_; }
  void heard(int peer, const RankCounters& counters);
  PeerState peer(int rank) const;
  // Processor time of the thread that beats, so far.
  void set_beat_us(int64_t us) { beat_us_.store(us, std::memory_order_relaxed); }
  int64_t beat_us() const { return beat_us_.load(std::memory_order_relaxed); }
  // When the last collective of this rank ended, monotonic.
  int64_t progressed_ms() const { return progressed_ms_.load(std::memory_order_relaxed); }

 private:
  const int rank_, size_;
  std::string backend_;
  std::atomic<bool> guarded_{false}, lost_{false}, tell_{false};
  std::atomic<int> left_{-1};
  std::atomic<uint64_t> begun_{0}, ended_{0}, progress_{0}, steps_{0}, bytes_{0}, us_{0};
  std::atomic<int64_t> progressed_ms_{0}, beat_us_{0};
  mutable std::mutex mutex_;
  std::string reason_;
  std::function<void()> wake_;
  std::array<PeerState, kMostRanks> peers_;
};

// Ends every wait of every group of this process that exists now.
void abort_groups(const std::string& reason);
// The newest group of this process, or null.
std::shared_ptr<Life> newest_group();
// Makes a life that the two functions above find.
std::shared_ptr<Life> make_life(int rank, int size, std::string backend);

}  // namespace mj
