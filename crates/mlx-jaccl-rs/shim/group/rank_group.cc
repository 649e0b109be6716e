#include "rank_group.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "jaccl_transport.h"
#include "mlx_transport.h"
#include "seal.h"

namespace mj {

namespace {

// Larger sums are made in place; their seal travels in a collective of its own.
constexpr size_t kInlineElements = size_t{64} << 10;

constexpr size_t kMostProbe = size_t{256} << 20;
constexpr int kMostRounds = 1000;

// What follows a rank's bytes in a gather.
struct GatherSeal {
  uint64_t operation, hash;
};

}  // namespace

RankGroup::RankGroup(const TcpListener& listener, const RankGroupOptions& options)
    : life_(make_life(options.meeting.rank, static_cast<int>(options.meeting.addresses.size()), options.backend)),
      seals_(options.seals) {
  if (size() < 1 || size() > kMostRanks) throw std::invalid_argument("a group of " + std::to_string(size()) + " ranks");
  if (rank() < 0 || rank() >= size()) throw std::invalid_argument("rank " + std::to_string(rank()));
  peers_ = meet(listener, options.meeting, *life_);
  // While the ranks meet, nobody may be longer away than the meeting lasts.
  tcp_ = std::make_unique<TcpTransport>(life_, sockets(&PeerSockets::data), options.meeting.connect_ms);
  messages_ = std::make_unique<Messages>(life_, sockets(&PeerSockets::messages), options.operation_ms);
  liveness_ = std::make_unique<Liveness>(life_, sockets(&PeerSockets::beats), options.limits, [this] {
    for (auto& peer : peers_) shut(peer.data.fd()), shut(peer.messages.fd()), shut(peer.beats.fd());
  });
  try {
    other_ = open(options);
  } catch (const std::exception& e) {
    // The others wait for this rank in the rendezvous: they hear why it does not come.
    life_->lose(e.what());
    throw;
  }
  tcp_->set_deadline(options.operation_ms);
  life_->set_backend(transport().name(), transport().is_guarded());
  liveness_->watch_progress(transport().tells_progress());
}

RankGroup::~RankGroup() { liveness_.reset(); }

std::unique_ptr<Transport> RankGroup::open(const RankGroupOptions& options) {
  if (options.backend == "tcp") return nullptr;
  if (options.backend == "ring" || options.backend == "nccl")
    return open_mlx_transport(
        {options.backend, options.meeting.addresses, options.meeting.connect_ms, options.operation_ms}, life_, *tcp_);
  JacclOptions jaccl;
  jaccl.rank = rank();
  jaccl.devices = parse_devices(options.devices);
  jaccl.ring = options.backend == "jaccl-ring";
  jaccl.guard = options.guard;
  jaccl.operation_ms = options.operation_ms;
  jaccl.all_gather = [this](const char* in, char* out, size_t bytes) { tcp_->all_gather(in, bytes, out); };
  jaccl.watch = life_.get();
  if (static_cast<int>(jaccl.devices.size()) != size())
    throw std::invalid_argument("JACCL needs the devices of " + std::to_string(size()) + " ranks, the cables name " +
                                std::to_string(jaccl.devices.size()));
  return open_jaccl(options.library, jaccl);
}

std::vector<int> RankGroup::sockets(Socket PeerSockets::*kind) const {
  std::vector<int> found;
  for (auto& peer : peers_) found.push_back((peer.*kind).fd());
  return found;
}

template <class F>
void RankGroup::run(size_t bytes, F&& collective) {
  life_->check();
  const int64_t begun = now_us();
  life_->begin();
  collective(life_->operation());
  life_->end(bytes, now_us() - begun);
}

void RankGroup::all_sum(const float* in, size_t n, float* out) {
  run(n * sizeof(float), [&](uint64_t operation) {
    if (!seals_) return transport().all_sum(in, n, out);
    const Sums own = sums_of(in, n);
    std::string wrong;
    if (n <= kInlineElements) {
      sealed_.resize(kSealHead + n + kSealTail);
      float *operand = sealed_.data() + kSealHead, *tail = operand + n;
      write_head(operation, sealed_.data());
      std::copy_n(in, n, operand);
      write_tail(operation, own, tail);
      transport().all_sum(sealed_.data(), sealed_.size(), sealed_.data());
      wrong = check_sum(operation, size(), sealed_.data(), sums_of(operand, n), tail);
      std::copy_n(operand, n, out);
    } else {
      transport().all_sum(in, n, out);
      float seal[kSealHead + kSealTail];
      write_head(operation, seal);
      write_tail(operation, own, seal + kSealHead);
      transport().all_sum(seal, kSealHead + kSealTail, seal);
      wrong = check_sum(operation, size(), seal, sums_of(out, n), seal + kSealHead);
    }
    if (!wrong.empty()) life_->fail("collective " + std::to_string(operation) + ": " + wrong);
  });
}

size_t RankGroup::gather(const void* in, size_t bytes, uint64_t operation) {
  const size_t stride = bytes + (seals_ ? sizeof(GatherSeal) : 0);
  scratch_.resize(stride * size());
  if (!seals_) {
    transport().all_gather(in, bytes, scratch_.data());
    return stride;
  }
  operand_.resize(stride);
  std::memcpy(operand_.data(), in, bytes);
  const GatherSeal own{operation, hash_bytes(in, bytes)};
  std::memcpy(operand_.data() + bytes, &own, sizeof own);
  transport().all_gather(operand_.data(), stride, scratch_.data());
  for (int r = 0; r < size(); ++r) {
    const char* part = scratch_.data() + r * stride;
    GatherSeal seal;
    std::memcpy(&seal, part + bytes, sizeof seal);
    if (seal.operation == operation && seal.hash == hash_bytes(part, bytes)) continue;
    life_->fail("collective " + std::to_string(operation) + ": what came of rank " + std::to_string(r) +
                " is not what it sent: a message was lost, repeated or damaged");
  }
  return stride;
}

void RankGroup::all_gather(const float* in, int rows, int width, float* out) {
  const size_t n = static_cast<size_t>(rows) * width, row_bytes = width * sizeof(float), ranks = peers_.size();
  run(n * sizeof(float), [&](uint64_t operation) {
    const size_t stride = gather(in, n * sizeof(float), operation);
    for (int row = 0; row < rows; ++row)
      for (size_t r = 0; r < ranks; ++r)
        std::memcpy(out + (row * ranks + r) * width, scratch_.data() + r * stride + row * row_bytes, row_bytes);
  });
}

std::vector<float> RankGroup::probe(int from, int to, size_t bytes, int rounds) {
  if (from < 0 || to < 0 || from >= size() || to >= size() || from == to)
    throw std::invalid_argument("a probe between ranks " + std::to_string(from) + " and " + std::to_string(to));
  if (bytes == 0 || bytes > kMostProbe || bytes % sizeof(float) || rounds <= 0 || rounds > kMostRounds)
    throw std::invalid_argument("a probe of " + std::to_string(rounds) + " times " + std::to_string(bytes) + " bytes");
  const size_t n = bytes / sizeof(float);
  const bool takes_part = rank() == from || rank() == to;
  std::vector<float> own(n, static_cast<float>(rank() + 1)), came(n), us(rounds);
  // The first round only brings the ranks together.
  for (int round = -1; round < rounds; ++round)
    run(bytes, [&](uint64_t operation) {
      std::fill(came.begin(), came.end(), 0.0f);
      const int64_t begun = now_us();
      const bool is_pair = transport().swap(from, to, own.data(), came.data(), bytes);
      if (!is_pair) transport().all_sum(own.data(), n, came.data());
      if (round >= 0) us[round] = static_cast<float>(now_us() - begun);
      if (is_pair && !takes_part) return;
      const int peer = rank() == from ? to : from;
      const float expected = static_cast<float>(is_pair ? peer + 1 : size() * (size() + 1) / 2);
      if (!std::all_of(came.begin(), came.end(), [&](float x) { return x == expected; }))
        life_->fail("collective " + std::to_string(operation) + ": a probe between rank " + std::to_string(from) +
                    " and rank " + std::to_string(to) + " was damaged");
    });
  std::vector<float> all(static_cast<size_t>(rounds) * size());
  all_gather(us.data(), 1, rounds, all.data());
  std::copy_n(all.begin() + static_cast<ptrdiff_t>(from) * rounds, rounds, us.begin());
  return us;
}

}  // namespace mj
