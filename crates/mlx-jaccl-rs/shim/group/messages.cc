#include "messages.h"

#include <poll.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "sockets.h"

namespace mj {

namespace {
constexpr size_t kMostMessage = size_t{64} << 20;
constexpr int64_t kPollMs = 250;  // the end of the group closes the sockets, which ends a wait at once
}  // namespace

Messages::Messages(std::shared_ptr<Life> life, std::vector<int> sockets, int send_ms)
    : life_(std::move(life)), send_ms_(send_ms) {
  for (int fd : sockets) inboxes_.push_back({fd, {}, 0});
}

Messages::Inbox& Messages::inbox(int rank) {
  if (rank < 0 || rank >= static_cast<int>(inboxes_.size()) || inboxes_[rank].fd < 0)
    throw std::invalid_argument("there is no message socket to rank " + std::to_string(rank));
  return inboxes_[rank];
}

void Messages::send(int rank, const uint8_t* bytes, size_t n) {
  if (n == 0 || n > kMostMessage) throw std::invalid_argument("a message of " + std::to_string(n) + " bytes");
  const int fd = inbox(rank).fd;
  const uint32_t length = static_cast<uint32_t>(n);
  std::vector<uint8_t> frame(sizeof length + n);
  std::memcpy(frame.data(), &length, sizeof length);
  std::memcpy(frame.data() + sizeof length, bytes, n);
  if (life_->is_lost()) life_->fail("");
  if (write_all(fd, frame.data(), frame.size(), now_ms() + send_ms_)) return;
  if (life_->is_over()) life_->check();
  life_->fail("rank " + std::to_string(rank) + " takes no messages");
}

size_t Messages::receive(int rank, int timeout_ms) {
  Inbox& in = inbox(rank);
  const int64_t deadline = now_ms() + timeout_ms;
  uint32_t length = 0;
  for (;;) {
    if (life_->is_lost()) life_->fail("");
    size_t wanted = sizeof length;
    if (in.filled >= sizeof length) {
      std::memcpy(&length, in.bytes.data(), sizeof length);
      if (length == 0 || length > kMostMessage)
        life_->fail("rank " + std::to_string(rank) + " sent a message of " + std::to_string(length) + " bytes");
      wanted += length;
      if (in.filled == wanted) return length;
    }
    in.bytes.resize(wanted);
    const int64_t n = read_some(in.fd, in.bytes.data() + in.filled, wanted - in.filled);
    if (n < 0) life_->closed_by(rank);
    in.filled += n;
    if (n > 0) continue;
    const int64_t left = deadline - now_ms();
    if (left <= 0) return 0;
    pollfd wait{in.fd, POLLIN, 0};
    ::poll(&wait, 1, static_cast<int>(std::min(left, kPollMs)));
  }
}

void Messages::take(int rank, uint8_t* out) {
  Inbox& in = inbox(rank);
  if (in.filled <= sizeof(uint32_t))
    throw std::invalid_argument("no message of rank " + std::to_string(rank) + " is there");
  std::memcpy(out, in.bytes.data() + sizeof(uint32_t), in.filled - sizeof(uint32_t));
  in.filled = 0;
}

}  // namespace mj
