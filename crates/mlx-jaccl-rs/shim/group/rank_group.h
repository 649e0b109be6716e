// One rank's end of a group of ranks: it meets the others, beats, carries messages, and runs checked collectives over a
// transport. Every wait has a deadline and ends when the group is lost: a lost or stuck peer, a lost or damaged message
// is an exception that names it, never a hang. Collectives run on MLX's stream thread, messages on the engine's owner.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../group.h"
#include "life.h"
#include "liveness.h"
#include "meeting.h"
#include "messages.h"
#include "tcp_transport.h"

namespace mj {

struct RankGroupOptions {
  MeetingOptions meeting;
  int operation_ms = 0;
  LivenessLimits limits;
  std::string backend = "tcp";  // "jaccl", "jaccl-ring", "ring", "nccl"
  std::string devices, library;  // of JACCL
  bool guard = true;             // of JACCL
  bool seals = true;  // numbers and sums travel with every operand
};

class RankGroup final : public Group {
 public:
  RankGroup(const TcpListener&, const RankGroupOptions&);
  ~RankGroup() override;

  int size() const override { return life_->size(); }
  int rank() const override { return life_->rank(); }
  void all_sum(const float* in, size_t n, float* out) override;
  void all_gather(const float* in, int rows, int width, float* out) override;
  // Measures the link between two ranks: they send each other `bytes`, every rank calls it. Gives the microseconds of
  // each round as `from` saw them, on every rank. Where the transport has no way between two ranks, all add up so many
  // bytes. Throws where something else came than was sent. While no step runs.
  std::vector<float> probe(int from, int to, size_t bytes, int rounds);
  Messages& messages() { return *messages_; }
  Life& life() { return *life_; }

 private:
  std::vector<int> sockets(Socket PeerSockets::*kind) const;
  Transport& transport() { return other_ ? *other_ : *tcp_; }
  std::unique_ptr<Transport> open(const RankGroupOptions&);
  template <class F>
  void run(size_t bytes, F&&);
  // Gathers the bytes of all ranks, each with a seal after it, into scratch_; returns the distance between two ranks.
  size_t gather(const void* in, size_t bytes, uint64_t operation);

  std::shared_ptr<Life> life_;
  const bool seals_;
  std::vector<PeerSockets> peers_;
  std::unique_ptr<TcpTransport> tcp_;
  std::unique_ptr<Transport> other_;  // where collectives do not go over TCP; TCP is its rendezvous
  std::unique_ptr<Messages> messages_;
  std::unique_ptr<Liveness> liveness_;
  std::vector<float> sealed_;
  std::vector<char> operand_, scratch_;
};

}  // namespace mj
