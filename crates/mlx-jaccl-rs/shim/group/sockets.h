// System calls of a rank group: addresses, connecting with a deadline, and reads and writes that do not block.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace mj {

// Monotonic.
int64_t now_ms();
int64_t now_us();

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

struct TcpAddress {
  std::string host, port;  // numeric
};

struct TcpListener {
  Socket socket;
  int port = 0;
};
// Listens on one numeric address; port 0 takes a free one.
TcpListener listen_tcp(const std::string& host);

// Waits at most until the deadline; throws where it passes.
Socket connect_tcp(const TcpAddress&, int64_t deadline_ms);
// A connection, or none when nobody came within timeout_ms.
Socket accept_tcp(int listener, int timeout_ms);

// Bytes moved, 0 where the socket would block, -1 where the peer is gone.
int64_t read_some(int fd, void* to, size_t bytes);
int64_t write_some(int fd, const void* from, size_t bytes);
// All of it before the deadline, or false.
bool read_all(int fd, void* to, size_t bytes, int64_t deadline_ms);
bool write_all(int fd, const void* from, size_t bytes, int64_t deadline_ms);

// Ends both directions: whoever waits at either end learns it.
void shut(int fd);

}  // namespace mj
