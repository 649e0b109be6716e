// The native beat of a rank: a thread that tells every other rank its counters twice a second and hears theirs. It ends
// the group when a peer is gone or silent, or when every rank stands in a collective that none completes. Independent of
// JavaScript and of the collectives themselves.
#pragma once
#include <memory>
#include <thread>
#include <vector>

#include "life.h"
#include "sockets.h"

namespace mj {

struct LivenessLimits {
  int beat_ms = 500;
  int lease_ms = 4000;  // silence of a peer that ends the group
  int stuck_ms = 8000;  // all ranks inside collectives, and nothing moves
};

class Liveness {
 public:
  // sockets: one a peer, by rank; -1 at the own place. They stay open as long as this lives. on_lost runs on the thread
  // of this object, after the peers have been told.
  Liveness(std::shared_ptr<Life>, std::vector<int> sockets, LivenessLimits, std::function<void()> on_lost);
  // Tells the peers that this rank leaves, unless the group is lost.
  ~Liveness();
  Liveness(const Liveness&) = delete;

  // From here on a collective that stands still ends the group. Off for transports that do not tell their progress.
  void watch_progress(bool on) { watches_progress_.store(on, std::memory_order_relaxed); }

 private:
  struct Peer;
  struct Stand;
  struct Pipe;
  void run();
  void tell(uint32_t kind, const std::string& reason);
  void listen(int peer);
  void judge(int64_t now);

  std::shared_ptr<Life> life_;
  const LivenessLimits limits_;
  const std::function<void()> on_lost_;
  std::vector<Peer> peers_;
  std::vector<Stand> stands_;
  std::shared_ptr<Pipe> wake_;
  std::atomic<bool> closing_{false}, watches_progress_{false};
  int64_t judged_ms_ = 0;
  std::thread thread_;
};

}  // namespace mj
