#include "sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace mj {

namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // SO_NOSIGPIPE is set instead
#endif
constexpr int kBufferBytes = 4 << 20;
constexpr int kBacklog = 16;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

struct Addresses {
  addrinfo* first = nullptr;
  Addresses(const TcpAddress& address, int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | flags;
    const int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &first);
    if (code) throw std::runtime_error("rank address " + address.host + " " + address.port + ": " + gai_strerror(code));
  }
  ~Addresses() { ::freeaddrinfo(first); }
  Addresses(const Addresses&) = delete;
};

Socket open_socket(const addrinfo& a) {
  Socket socket(::socket(a.ai_family, a.ai_socktype, a.ai_protocol));
  if (socket.fd() < 0) fail("cannot make a socket");
  ::fcntl(socket.fd(), F_SETFD, FD_CLOEXEC);
  ::fcntl(socket.fd(), F_SETFL, O_NONBLOCK);
  return socket;
}

void tune(int fd) {
  const int one = 1;
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
#ifdef SO_NOSIGPIPE
  ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
}

bool wait_for(int fd, short events, int64_t deadline_ms) {
  const int64_t left = deadline_ms - now_ms();
  if (left <= 0) return false;
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, static_cast<int>(left)) > 0 || errno == EINTR;
}

int64_t moved(ssize_t n, bool zero_is_end) {
  if (n > 0) return n;
  if (n == 0) return zero_is_end ? -1 : 0;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

}  // namespace

int64_t now_us() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}
int64_t now_ms() { return now_us() / 1000; }

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

TcpListener listen_tcp(const std::string& host) {
  const Addresses found({host, "0"}, AI_PASSIVE);
  TcpListener listener{open_socket(*found.first)};
  const int fd = listener.socket.fd();
  if (::bind(fd, found.first->ai_addr, found.first->ai_addrlen) || ::listen(fd, kBacklog))
    fail("cannot listen for ranks on " + host);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size)) fail("a listener has no address");
  listener.port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                                                    : reinterpret_cast<sockaddr_in&>(bound).sin_port);
  return listener;
}

Socket connect_tcp(const TcpAddress& address, int64_t deadline_ms) {
  const Addresses found(address, 0);
  Socket socket = open_socket(*found.first);
  const std::string name = "cannot reach a rank at " + address.host + " " + address.port;
  if (::connect(socket.fd(), found.first->ai_addr, found.first->ai_addrlen) && errno != EINPROGRESS) fail(name);
  if (!wait_for(socket.fd(), POLLOUT, deadline_ms)) throw std::runtime_error(name + " in time");
  socklen_t size = sizeof errno;
  int error = 0;
  if (::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size) || error) {
    errno = error;
    fail(name);
  }
  tune(socket.fd());
  return socket;
}

Socket accept_tcp(int listener, int timeout_ms) {
  if (!wait_for(listener, POLLIN, now_ms() + timeout_ms)) return Socket();
  Socket socket(::accept(listener, nullptr, nullptr));
  if (socket.fd() >= 0) tune(socket.fd());
  return socket;
}

int64_t read_some(int fd, void* to, size_t bytes) { return moved(::recv(fd, to, bytes, 0), true); }
int64_t write_some(int fd, const void* from, size_t bytes) { return moved(::send(fd, from, bytes, kSendFlags), false); }

bool read_all(int fd, void* to, size_t bytes, int64_t deadline_ms) {
  for (size_t at = 0; at < bytes;) {
    const int64_t n = read_some(fd, static_cast<char*>(to) + at, bytes - at);
    if (n < 0 || (n == 0 && !wait_for(fd, POLLIN, deadline_ms))) return false;
    at += n;
  }
  return true;
}
bool write_all(int fd, const void* from, size_t bytes, int64_t deadline_ms) {
  for (size_t at = 0; at < bytes;) {
    const int64_t n = write_some(fd, static_cast<const char*>(from) + at, bytes - at);
    if (n < 0 || (n == 0 && !wait_for(fd, POLLOUT, deadline_ms))) return false;
    at += n;
  }
  return true;
}

void shut(int fd) {
  if (fd >= 0) ::shutdown(fd, SHUT_RDWR);
}

}  // namespace mj
