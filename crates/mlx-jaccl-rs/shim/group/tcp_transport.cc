#include "tcp_transport.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "sockets.h"

namespace mj {

namespace {

enum Kind : uint32_t { kExchange = 1, kScatter = 2, kCollect = 3, kGather = 4, kSwap = 5 };

constexpr int kSpins = 200;               // empty looks at the sockets before the thread sleeps
constexpr int kPollMs = 50;               // how late the end of the group may be seen
constexpr size_t kDirectElements = 8192;  // sums of at most so many elements take one exchange instead of two

std::string str(uint64_t n) { return std::to_string(n); }

void sleep_us(int64_t us) {
  const timespec time{static_cast<time_t>(us / 1'000'000), static_cast<long>(us % 1'000'000 * 1000)};
  ::nanosleep(&time, nullptr);
}

}  // namespace

TcpTransport::TcpTransport(std::shared_ptr<Life> life, std::vector<int> sockets, int operation_ms)
    : life_(std::move(life)), sockets_(std::move(sockets)), operation_ms_(operation_ms) {}

void TcpTransport::check(const Transfer& t) {
  const Header &got = t.received, &sent = t.sent;
  if (got.exchange == sent.exchange && got.kind == sent.kind && got.bytes == t.in_bytes) return;
  life_->fail("rank " + std::to_string(t.peer) + " is at exchange " + str(got.exchange) + " with " + str(got.bytes) +
              " bytes, this rank at " + str(sent.exchange) + " with " + str(t.in_bytes) + " in collective " +
              str(life_->operation()) + ": a message was lost, repeated or damaged");
}

bool TcpTransport::progress(Transfer& t) {
  const int fd = sockets_[t.peer];
  uint64_t moved = 0;
  while (t.sent_bytes < sizeof(Header) + t.out_bytes) {
    const bool head = t.sent_bytes < sizeof(Header);
    const char* from = head ? reinterpret_cast<const char*>(&t.sent) + t.sent_bytes : t.out + t.sent_bytes - sizeof(Header);
    const int64_t n = write_some(fd, from, (head ? 0 : t.out_bytes) + sizeof(Header) - t.sent_bytes);
    if (n < 0) life_->closed_by(t.peer);
    if (n == 0) break;
    t.sent_bytes += n, moved += n;
  }
  while (t.received_bytes < sizeof(Header) + t.in_bytes) {
    const bool head = t.received_bytes < sizeof(Header);
    char* to = head ? reinterpret_cast<char*>(&t.received) + t.received_bytes : t.in + t.received_bytes - sizeof(Header);
    const int64_t n = read_some(fd, to, (head ? 0 : t.in_bytes) + sizeof(Header) - t.received_bytes);
    if (n < 0) life_->closed_by(t.peer);
    if (n == 0) break;
    t.received_bytes += n, moved += n;
    if (head && t.received_bytes == sizeof(Header)) check(t);
  }
  if (moved) life_->progress(moved);
  return moved > 0;
}

// Of a test.
void TcpTransport::obey(std::vector<Transfer>& transfers) {
  const Orders orders = faults_.next();
  is_cut_ = orders.cable;
  Transfer& first = transfers.front();
  if (orders.drop) first.sent_bytes = sizeof(Header) + first.out_bytes;
  if (orders.corrupt && first.out_bytes >= sizeof(float)) {
    // An exponent bit of an element in the middle.
    damaged_.assign(first.out, first.out + first.out_bytes);
    damaged_[first.out_bytes / sizeof(float) / 2 * sizeof(float) + 3] ^= 0x40;
    first.out = damaged_.data();
  }
  if (orders.latency_us > 0) sleep_us(orders.latency_us);
  if (orders.megabytes_per_s > 0) sleep_us(static_cast<int64_t>(first.out_bytes) / orders.megabytes_per_s);
}

void TcpTransport::exchange(std::vector<Transfer>& transfers, uint32_t kind) {
  const int64_t deadline = now_ms() + operation_ms_;
  const uint64_t number = exchange_++;
  for (auto& t : transfers) t.sent = {number, kind, 0, t.out_bytes};
  obey(transfers);
  std::vector<pollfd> waits;
  for (int idle = 0;;) {
    if (life_->is_over()) life_->check();
    bool moved = false;
    waits.clear();
    int late = -1;
    for (auto& t : transfers) {
      if (!is_cut_) moved |= progress(t);
      const bool out = t.sent_bytes < sizeof(Header) + t.out_bytes;
      const bool in = t.received_bytes < sizeof(Header) + t.in_bytes;
      if (!out && !in) continue;
      late = t.peer;
      waits.push_back({sockets_[t.peer], static_cast<short>((out ? POLLOUT : 0) | (in ? POLLIN : 0)), 0});
    }
    if (waits.empty()) return;
    if (moved) {
      idle = 0;
      continue;
    }
    if (++idle < kSpins) {
      ::sched_yield();
      continue;
    }
    if (now_ms() >= deadline)
      life_->fail("rank " + std::to_string(late) + " did not take part in collective " + str(life_->operation()) +
                  " within " + std::to_string(operation_ms_) + " ms");
    if (is_cut_) sleep_us(kPollMs * 1000);
    else ::poll(waits.data(), waits.size(), kPollMs);
  }
}

void TcpTransport::all_sum(const float* in, size_t n, float* out) {
  const size_t ranks = sockets_.size(), me = life_->rank();
  const bool direct = n <= kDirectElements;
  // A rank adds up its own range of the elements, in rank order, for all; a small sum is added up by everyone.
  const size_t chunk = direct ? n : (n + ranks - 1) / ranks;
  auto begin = [&](size_t r) { return direct ? 0 : std::min(n, chunk * r); };
  auto length = [&](size_t r) { return direct ? n : std::min(n, chunk * (r + 1)) - begin(r); };
  const size_t mine = length(me), at = begin(me);
  scratch_.resize(mine * ranks);
  std::vector<Transfer> transfers;
  for (size_t r = 0; r < ranks; ++r)
    if (r != me)
      transfers.push_back({static_cast<int>(r), reinterpret_cast<const char*>(in + begin(r)), length(r) * sizeof(float),
                           reinterpret_cast<char*>(scratch_.data() + r * mine), mine * sizeof(float)});
  exchange(transfers, direct ? kExchange : kScatter);
  std::copy_n(in + at, mine, scratch_.data() + me * mine);
  for (size_t i = 0; i < mine; ++i) {
    float sum = scratch_[i];
    for (size_t r = 1; r < ranks; ++r) sum += scratch_[r * mine + i];
    out[at + i] = sum;
  }
  if (direct) return;
  transfers.clear();
  for (size_t r = 0; r < ranks; ++r)
    if (r != me)
      transfers.push_back({static_cast<int>(r), reinterpret_cast<const char*>(out + at), mine * sizeof(float),
                           reinterpret_cast<char*>(out + begin(r)), length(r) * sizeof(float)});
  exchange(transfers, kCollect);
}

void TcpTransport::all_gather(const void* in, size_t bytes, void* out) {
  char* to = static_cast<char*>(out);
  const size_t me = life_->rank();
  std::vector<Transfer> transfers;
  for (size_t r = 0; r < sockets_.size(); ++r)
    if (r != me)
      transfers.push_back({static_cast<int>(r), static_cast<const char*>(in), bytes, to + r * bytes, bytes});
  if (in != to + me * bytes) std::memcpy(to + me * bytes, in, bytes);
  exchange(transfers, kGather);
}

bool TcpTransport::swap(int from, int to, const void* out, void* in, size_t bytes) {
  const int me = life_->rank();
  if (me != from && me != to) {
    ++exchange_;
    return true;
  }
  std::vector<Transfer> transfers;
  transfers.push_back({me == from ? to : from, static_cast<const char*>(out), bytes, static_cast<char*>(in), bytes});
  exchange(transfers, kSwap);
  return true;
}

}  // namespace mj
