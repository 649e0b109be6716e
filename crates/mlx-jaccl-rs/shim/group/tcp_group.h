// A rank group over TCP: a full mesh of sockets for collectives, and a message socket between rank 0 and every other
// rank. Every wait has a deadline and ends at abort_groups(): a lost or stuck peer is an exception, never a hang.
// Collectives run on MLX's stream thread, messages on the thread that owns the engine.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../group.h"

namespace mj {

// A socket that closes itself.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();
  int fd() const { return fd_; }

 private:
  int fd_;
};

struct TcpListener {
  Socket socket;
  int port = 0;
};
// Listens on one numeric address; port 0 takes a free one.
TcpListener listen_tcp(const std::string& host);

constexpr size_t kNonceBytes = 32;
using Nonce = std::array<uint8_t, kNonceBytes>;

struct TcpAddress {
  std::string host, port;  // numeric
};

struct TcpGroupOptions {
  int rank = 0;
  std::vector<TcpAddress> addresses;  // of the ranks' listeners, in rank order
  Nonce nonce{};                      // proves that a peer is of this group
  int connect_ms = 0, operation_ms = 0;
};

class TcpGroup final : public Group {
 public:
  // Connects to the ranks below and accepts those above. Peers that do not know the nonce are closed and not counted.
  TcpGroup(const TcpListener&, TcpGroupOptions);

  int size() const override { return static_cast<int>(peers_.size()); }
  int rank() const override { return options_.rank; }
  void all_sum(const float* in, size_t n, float* out) override;
  void all_gather(const float* in, int rows, int width, float* out) override;

  // One message to a rank: from rank 0 to any, from any to rank 0.
  void send(int rank, const uint8_t* bytes, size_t n);
  // Waits for the next whole message and gives its length, 0 when none came in time. take() gives its bytes.
  size_t receive(int rank, int timeout_ms);
  void take(int rank, uint8_t* out);

 private:
  struct Header {
    uint64_t operation;  // counts the collectives of the group: a lost or repeated one is found at once
    uint32_t kind, bytes;
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
  struct Peer {
    Socket collective, message;
    std::vector<uint8_t> incoming;
    size_t filled = 0;
  };

  void connect_below();
  void accept_above(const TcpListener&);
  Socket& place(int rank, uint32_t channel);
  void exchange(std::vector<Transfer>&, uint32_t kind);
  bool progress(Transfer&);
  void check(int peer, const Header& got, const Header& sent, size_t bytes);
  const Peer& message_peer(int rank) const;
  bool is_aborted() const;
  [[noreturn]] void lose(int rank, const std::string& what);

  TcpGroupOptions options_;
  std::vector<Peer> peers_;
  std::vector<float> scratch_;
  uint64_t operation_ = 0;
  uint32_t life_;
  std::atomic<bool> lost_{false};
};

// Ends every wait of every group of this process that exists now. From any thread.
void abort_groups();

}  // namespace mj
