// Collectives over a full mesh of TCP sockets. Sums are made in rank order on every rank; every message carries the
// number of its exchange, so that a lost or repeated one is found at once.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "fault-orders.h"
#include "life.h"
#include "transport.h"

namespace mj {

class TcpTransport final : public Transport {
 public:
  // sockets: one a peer, by rank; -1 at the own place. They stay open as long as this lives.
  TcpTransport(std::shared_ptr<Life>, std::vector<int> sockets, int operation_ms);

  const char* name() const override { return "tcp"; }
  void set_deadline(int operation_ms) { operation_ms_ = operation_ms; }
  void all_sum(const float* in, size_t n, float* out) override;
  void all_gather(const void* in, size_t bytes, void* out) override;
  bool swap(int from, int to, const void* out, void* in, size_t bytes) override;

 private:
  struct Header {
    uint64_t exchange;
    uint32_t kind, unused;
    uint64_t bytes;
  };
  // What one peer is to get and to give in one exchange.
  struct Transfer {
    int peer;
    const char* out;
    size_t out_bytes;
    char* in;
    size_t in_bytes;
    Header sent{}, received{};
    size_t sent_bytes = 0, received_bytes = 0;
  };

  void exchange(std::vector<Transfer>&, uint32_t kind);
  // Whether any byte moved.
  bool progress(Transfer&);
  void check(const Transfer&);
  void obey(std::vector<Transfer>&);

  std::shared_ptr<Life> life_;
  const std::vector<int> sockets_;
  int operation_ms_;
  std::vector<float> scratch_;
  std::vector<char> damaged_;  // of a test
  uint64_t exchange_ = 0;
  FaultOrders faults_;
  bool is_cut_ = false;  // by a test
};

}  // namespace mj
