#include "tcp_group.h"

#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "sockets.h"

namespace mj {

namespace {

constexpr uint32_t kMagic = 0x4d4a4752;  // "MJGR"
constexpr uint32_t kVersion = 1;
enum Channel : uint32_t { kCollectives = 0, kMessages = 1, kChannels = 2 };
enum Kind : uint32_t { kExchange = 1, kScatter = 2, kCollect = 3, kGather = 4 };

struct Hello {
  uint32_t magic, version, rank, channel;
  Nonce nonce;
};

constexpr int kHelloMs = 2000;      // a stranger may keep the door no longer
constexpr int kSpins = 200;         // empty looks at the sockets before the thread sleeps
constexpr int kPollMs = 50;         // how late an abort may be seen
constexpr size_t kDirectElements = 8192;  // sums of at most so many elements take one exchange instead of two
constexpr size_t kMostMessage = size_t{64} << 20;

std::atomic<uint32_t> lives{0};  // counts abort_groups()

bool same(const Nonce& a, const Nonce& b) {
  unsigned different = 0;
  for (size_t i = 0; i < kNonceBytes; ++i) different |= a[i] ^ b[i];
  return different == 0;
}
std::string str(int64_t n) { return std::to_string(n); }

}  // namespace

void abort_groups() { lives.fetch_add(1); }

TcpGroup::TcpGroup(const TcpListener& listener, TcpGroupOptions options)
    : options_(std::move(options)), peers_(options_.addresses.size()), life_(lives.load()) {
  if (options_.rank < 0 || options_.rank >= size()) throw std::invalid_argument("rank " + str(options_.rank));
  connect_below();
  accept_above(listener);
}

// ------------------------------------------------------------------------------------------------------- meeting

Socket& TcpGroup::place(int rank, uint32_t channel) {
  return channel == kCollectives ? peers_[rank].collective : peers_[rank].message;
}

void TcpGroup::connect_below() {
  const int64_t deadline = now_ms() + options_.connect_ms;
  for (int peer = 0; peer < rank(); ++peer)
    for (uint32_t channel = 0; channel < (peer == 0 ? kChannels : 1u); ++channel) {
      Socket socket = connect_tcp(options_.addresses[peer], deadline);
      const Hello hello{kMagic, kVersion, static_cast<uint32_t>(rank()), channel, options_.nonce};
      if (!write_all(socket.fd(), &hello, sizeof hello, deadline))
        throw std::runtime_error("rank " + str(peer) + " refused the connection");
      place(peer, channel) = std::move(socket);
    }
}

void TcpGroup::accept_above(const TcpListener& listener) {
  const int64_t deadline = now_ms() + options_.connect_ms;
  int missing = (size() - 1 - rank()) * (rank() == 0 ? static_cast<int>(kChannels) : 1);
  while (missing > 0) {
    if (is_aborted()) throw std::runtime_error(std::string(kGroupLost) + "aborted while the ranks met");
    if (now_ms() >= deadline) throw std::runtime_error(str(missing) + " connections of other ranks did not come in time");
    Socket socket = accept_tcp(listener.socket.fd(), kPollMs);
    if (socket.fd() < 0) continue;
    Hello hello{};
    if (!read_all(socket.fd(), &hello, sizeof hello, std::min(deadline, now_ms() + kHelloMs))) continue;
    if (hello.magic != kMagic || hello.version != kVersion || !same(hello.nonce, options_.nonce)) continue;
    const bool known = hello.rank > static_cast<uint32_t>(rank()) && hello.rank < static_cast<uint32_t>(size()) &&
                       hello.channel < (rank() == 0 ? kChannels : 1u);
    if (!known || place(static_cast<int>(hello.rank), hello.channel).fd() >= 0) continue;
    place(static_cast<int>(hello.rank), hello.channel) = std::move(socket);
    --missing;
  }
}

bool TcpGroup::is_aborted() const { return lost_.load(std::memory_order_relaxed) || lives.load() != life_; }

// The others learn it at once, and nothing of the group can be used again.
void TcpGroup::lose(int rank, const std::string& what) {
  lost_ = true;
  for (auto& peer : peers_) shut(peer.collective.fd()), shut(peer.message.fd());
  throw std::runtime_error(std::string(kGroupLost) + (rank < 0 ? what : "rank " + str(rank) + " " + what));
}

// --------------------------------------------------------------------------------------------------- collectives

void TcpGroup::check(int peer, const Header& got, const Header& sent, size_t bytes) {
  if (got.operation != sent.operation || got.kind != sent.kind || got.bytes != bytes)
    lose(peer, "is at collective " + str(got.operation) + " with " + str(got.bytes) + " bytes, this rank at " +
                   str(sent.operation) + " with " + str(bytes));
}

// Whether any byte moved.
bool TcpGroup::progress(Transfer& t) {
  const int fd = peers_[t.peer].collective.fd();
  bool any = false;
  while (t.sent_bytes < sizeof(Header) + t.out_bytes) {
    const bool head = t.sent_bytes < sizeof(Header);
    const char* from = head ? reinterpret_cast<const char*>(&t.sent) + t.sent_bytes : t.out + t.sent_bytes - sizeof(Header);
    const int64_t n = write_some(fd, from, (head ? 0 : t.out_bytes) + sizeof(Header) - t.sent_bytes);
    if (n < 0) lose(t.peer, "closed its connection");
    if (n == 0) break;
    t.sent_bytes += n, any = true;
  }
  while (t.received_bytes < sizeof(Header) + t.in_bytes) {
    const bool head = t.received_bytes < sizeof(Header);
    char* to = head ? reinterpret_cast<char*>(&t.received) + t.received_bytes : t.in + t.received_bytes - sizeof(Header);
    const int64_t n = read_some(fd, to, (head ? 0 : t.in_bytes) + sizeof(Header) - t.received_bytes);
    if (n < 0) lose(t.peer, "closed its connection");
    if (n == 0) break;
    t.received_bytes += n, any = true;
    if (head && t.received_bytes == sizeof(Header)) check(t.peer, t.received, t.sent, t.in_bytes);
  }
  return any;
}

void TcpGroup::exchange(std::vector<Transfer>& transfers, uint32_t kind) {
  const int64_t deadline = now_ms() + options_.operation_ms;
  const uint64_t operation = operation_++;
  for (auto& t : transfers) t.sent = {operation, kind, static_cast<uint32_t>(t.out_bytes)};
  std::vector<pollfd> waits;
  for (int idle = 0;;) {
    if (is_aborted()) lose(-1, "aborted");
    bool moved = false;
    waits.clear();
    int late = -1;
    for (auto& t : transfers) {
      moved |= progress(t);
      const bool out = t.sent_bytes < sizeof(Header) + t.out_bytes;
      const bool in = t.received_bytes < sizeof(Header) + t.in_bytes;
      if (!out && !in) continue;
      late = t.peer;
      waits.push_back({peers_[t.peer].collective.fd(), static_cast<short>((out ? POLLOUT : 0) | (in ? POLLIN : 0)), 0});
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
    if (now_ms() >= deadline) lose(late, "did not take part within " + str(options_.operation_ms) + " ms");
    ::poll(waits.data(), waits.size(), kPollMs);
  }
}

void TcpGroup::all_sum(const float* in, size_t n, float* out) {
  const size_t ranks = peers_.size();
  const bool direct = n <= kDirectElements;
  // A rank adds up its own range of the elements, in rank order, for all; a small sum is added up by everyone.
  const size_t chunk = direct ? n : (n + ranks - 1) / ranks;
  auto begin = [&](size_t r) { return direct ? 0 : std::min(n, chunk * r); };
  auto length = [&](size_t r) { return direct ? n : std::min(n, chunk * (r + 1)) - begin(r); };
  const size_t me = options_.rank, mine = length(me), at = begin(me);
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

void TcpGroup::all_gather(const float* in, int rows, int width, float* out) {
  const size_t n = static_cast<size_t>(rows) * width, ranks = peers_.size(), me = options_.rank;
  scratch_.resize(n * ranks);
  std::vector<Transfer> transfers;
  for (size_t r = 0; r < ranks; ++r)
    if (r != me)
      transfers.push_back({static_cast<int>(r), reinterpret_cast<const char*>(in), n * sizeof(float),
                           reinterpret_cast<char*>(scratch_.data() + r * n), n * sizeof(float)});
  exchange(transfers, kGather);
  std::copy_n(in, n, scratch_.data() + me * n);
  for (int row = 0; row < rows; ++row)
    for (size_t r = 0; r < ranks; ++r)
      std::copy_n(scratch_.data() + r * n + static_cast<size_t>(row) * width, width, out + (row * ranks + r) * width);
}

// ------------------------------------------------------------------------------------------------------ messages

const TcpGroup::Peer& TcpGroup::message_peer(int rank) const {
  if (rank < 0 || rank >= size() || peers_[rank].message.fd() < 0)
    throw std::invalid_argument("there is no message socket to rank " + str(rank));
  return peers_[rank];
}

void TcpGroup::send(int rank, const uint8_t* bytes, size_t n) {
  if (n == 0 || n > kMostMessage) throw std::invalid_argument("a message of " + str(n) + " bytes");
  const int fd = message_peer(rank).message.fd();
  const uint32_t length = static_cast<uint32_t>(n);
  std::vector<uint8_t> frame(sizeof length + n);
  std::memcpy(frame.data(), &length, sizeof length);
  std::memcpy(frame.data() + sizeof length, bytes, n);
  if (is_aborted()) lose(-1, "aborted");
  if (!write_all(fd, frame.data(), frame.size(), now_ms() + options_.operation_ms)) lose(rank, "takes no messages");
}

size_t TcpGroup::receive(int rank, int timeout_ms) {
  message_peer(rank);
  Peer& peer = peers_[rank];
  const int64_t deadline = now_ms() + timeout_ms;
  uint32_t length = 0;
  for (;;) {
    if (is_aborted()) lose(-1, "aborted");
    size_t wanted = sizeof length;
    if (peer.filled >= sizeof length) {
      std::memcpy(&length, peer.incoming.data(), sizeof length);
      if (length == 0 || length > kMostMessage) lose(rank, "sent a message of " + str(length) + " bytes");
      wanted += length;
      if (peer.filled == wanted) return length;
    }
    peer.incoming.resize(wanted);
    const int64_t n = read_some(peer.message.fd(), peer.incoming.data() + peer.filled, wanted - peer.filled);
    if (n < 0) lose(rank, "closed its connection");
    peer.filled += n;
    if (n > 0) continue;
    const int64_t left = deadline - now_ms();
    if (left <= 0) return 0;
    pollfd wait{peer.message.fd(), POLLIN, 0};
    ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(left, kPollMs)));
  }
}

void TcpGroup::take(int rank, uint8_t* out) {
  message_peer(rank);
  Peer& peer = peers_[rank];
  if (peer.filled <= sizeof(uint32_t)) throw std::invalid_argument("no message of rank " + str(rank) + " is there");
  std::memcpy(out, peer.incoming.data() + sizeof(uint32_t), peer.filled - sizeof(uint32_t));
  peer.filled = 0;
}

}  // namespace mj
