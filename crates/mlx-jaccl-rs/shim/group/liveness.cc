#include "liveness.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace mj {

namespace {

enum Kind : uint32_t { kBeat = 1, kLost = 2, kLeave = 3 };

// Little-endian, as all hosts of a group are. Append-only within a version of the meeting.
struct Beat {
  uint32_t kind, unused;
  RankCounters counters;
  char reason[200];
};

constexpr int64_t kFarewellMs = 100;

int64_t thread_cpu_us() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1'000'000 + used.tv_nsec / 1000;
}

std::string seconds(int ms) {
  const std::string tenths = std::to_string(ms / 100 % 10);
  return std::to_string(ms / 1000) + (tenths == "0" ? "" : "." + tenths) + " s";
}

}  // namespace

struct Liveness::Peer {
  int fd = -1;
  bool has_left = false;
  int64_t heard_ms = 0;
  Beat incoming{};
  size_t filled = 0;
};

// Where a rank stood, and since when.
struct Liveness::Stand {
  RankCounters counters;
  int64_t since_ms = 0;
};

// Shared with whoever loses the group, who may still be about to write when this object has gone.
struct Liveness::Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (::pipe(ends)) throw std::runtime_error("cannot make a pipe for the beat of a rank");
    for (int fd : ends) {
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
  }
  ~Pipe() {
    for (int fd : ends) ::close(fd);
  }
  Pipe(const Pipe&) = delete;
  void wake() const {
    const char byte = 0;
    [[maybe_unused]] const ssize_t n = ::write(ends[1], &byte, 1);
  }
};

Liveness::Liveness(std::shared_ptr<Life> life, std::vector<int> sockets, LivenessLimits limits,
                   std::function<void()> on_lost)
    : life_(std::move(life)), limits_(limits), on_lost_(std::move(on_lost)), peers_(sockets.size()),
      stands_(sockets.size()), wake_(std::make_shared<Pipe>()), judged_ms_(now_ms()) {
  for (size_t i = 0; i < sockets.size(); ++i) {
    peers_[i].fd = sockets[i];
    peers_[i].heard_ms = stands_[i].since_ms = judged_ms_;
  }
  thread_ = std::thread([this] { run(); });
  life_->on_lost([wake = wake_] { wake->wake(); });
}

Liveness::~Liveness() {
  life_->on_lost([] {});
  closing_ = true;
  wake_->wake();
  thread_.join();
}

void Liveness::tell(uint32_t kind, const std::string& reason) {
  Beat beat{kind, 0, life_->counters(), {}};
  reason.copy(beat.reason, sizeof beat.reason - 1);
  for (auto& peer : peers_) {
    if (peer.fd < 0) continue;
    // A peer that takes no bytes is stopped: it is its silence that counts, not this.
    if (kind == kBeat) write_some(peer.fd, &beat, sizeof beat);
    else write_all(peer.fd, &beat, sizeof beat, now_ms() + kFarewellMs);
  }
}

void Liveness::listen(int rank) {
  Peer& peer = peers_[rank];
  for (;;) {
    const int64_t n =
        read_some(peer.fd, reinterpret_cast<char*>(&peer.incoming) + peer.filled, sizeof(Beat) - peer.filled);
    if (n < 0) {
      peer.fd = -1;
      if (!peer.has_left) life_->lose("rank " + std::to_string(rank) + " closed its connection");
      return;
    }
    if (n == 0) return;
    peer.filled += n;
    if (peer.filled < sizeof(Beat)) continue;
    peer.filled = 0;
    peer.heard_ms = now_ms();
    const Beat& beat = peer.incoming;
    life_->heard(rank, beat.counters);
    if (std::memcmp(&stands_[rank].counters, &beat.counters, sizeof(RankCounters)) != 0)
      stands_[rank] = {beat.counters, peer.heard_ms};
    if (beat.kind == kLeave) {
      peer.has_left = true;
      life_->leave(rank);
    } else if (beat.kind == kLost) {
      const std::string reason(beat.reason, ::strnlen(beat.reason, sizeof beat.reason));
      // Passed on only by the rank that found it; it tells all others itself.
      life_->lose("rank " + std::to_string(rank) + " gave up: " + reason, false);
    }
  }
}

void Liveness::judge(int64_t now) {
  // This process may itself have been stopped: then the others get the time again that it did not listen.
  const int64_t pause = now - judged_ms_;
  judged_ms_ = now;
  if (pause > limits_.lease_ms / 2) {
    for (auto& peer : peers_) peer.heard_ms += pause;
    for (auto& stand : stands_) stand.since_ms += pause;
    return;
  }
  const RankCounters own = life_->counters();
  const int rank = life_->rank();
  if (std::memcmp(&stands_[rank].counters, &own, sizeof own) != 0) stands_[rank] = {own, now};

  bool all_stand = watches_progress_.load(std::memory_order_relaxed);
  for (int i = 0; i < static_cast<int>(peers_.size()); ++i) {
    const Peer& peer = peers_[i];
    if (i != rank && !peer.has_left && now - peer.heard_ms > limits_.lease_ms)
      return life_->lose("rank " + std::to_string(i) + " gave no sign of life for " + seconds(limits_.lease_ms) +
                         " (this rank is at collective " + std::to_string(own.begun) + ")");
    const Stand& stand = stands_[i];
    all_stand = all_stand && stand.counters.begun != stand.counters.ended && now - stand.since_ms > limits_.stuck_ms;
  }
  if (!all_stand) return;
  std::string places;
  for (size_t i = 0; i < stands_.size(); ++i)
    places += (i ? ", rank " : "rank ") + std::to_string(i) + " in " + std::to_string(stands_[i].counters.begun);
  life_->lose("every rank waits in a collective and nothing has moved for " + seconds(limits_.stuck_ms) + " (" +
              places + "): a cable is dead or a message was lost");
}

void Liveness::run() {
  int64_t next = now_ms();
  std::vector<pollfd> waits;
  std::vector<int> ranks;
  while (!closing_ && !life_->is_lost()) {
    int64_t now = now_ms();
    if (now >= next) {
      tell(kBeat, "");
      next = now + limits_.beat_ms;
    }
    waits.assign(1, {wake_->ends[0], POLLIN, 0});
    ranks.clear();
    for (size_t i = 0; i < peers_.size(); ++i)
      if (peers_[i].fd >= 0) {
        waits.push_back({peers_[i].fd, POLLIN, 0});
        ranks.push_back(static_cast<int>(i));
      }
    ::poll(waits.data(), waits.size(), static_cast<int>(std::max<int64_t>(0, next - now)));
    // What lies in the sockets is heard before anybody is called silent.
    for (int rank : ranks) listen(rank);
    judge(now_ms());
    life_->set_beat_us(thread_cpu_us());
  }
  if (life_->is_lost()) {
    if (life_->is_to_be_told()) tell(kLost, life_->reason());
    on_lost_();
  } else {
    tell(kLeave, "");
  }
}

}  // namespace mj
