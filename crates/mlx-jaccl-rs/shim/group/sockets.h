// System calls of the TCP group: addresses, connecting with a deadline, and reads and writes that do not block.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "tcp_group.h"

namespace mj {

// Monotonic milliseconds.
int64_t now_ms();

// A problem of the group in one line. Its text starts with kGroupLost where a step cannot go on.
inline constexpr const char* kGroupLost = "rank group lost: ";

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
