#include "meeting.h"

#include <algorithm>
#include <stdexcept>

namespace mj {

namespace {

constexpr uint32_t kMagic = 0x4d4a4752;  // "MJGR"
constexpr uint32_t kVersion = 2;
enum Channel : uint32_t { kData = 0, kBeats = 1, kMessages = 2 };

struct Hello {
  uint32_t magic, version, rank, channel;
  uint64_t agreement;
  Nonce nonce;
};

constexpr int kHelloMs = 2000;   // a stranger may keep the door no longer
constexpr int kAcceptMs = 50;    // how late an abort may be seen

bool same(const Nonce& a, const Nonce& b) {
  unsigned different = 0;
  for (size_t i = 0; i < kNonceBytes; ++i) different |= a[i] ^ b[i];
  return different == 0;
}
// FNV-1a.
uint64_t hash(const std::string& text) {
  uint64_t h = 0xcbf29ce484222325u;
  for (unsigned char c : text) h = (h ^ c) * 0x100000001b3u;
  return h;
}
// Between these two ranks.
uint32_t channels(int lower) { return lower == 0 ? 3 : 2; }

Socket& place(PeerSockets& peer, uint32_t channel) {
  return channel == kData ? peer.data : channel == kBeats ? peer.beats : peer.messages;
}

}  // namespace

std::vector<PeerSockets> meet(const TcpListener& listener, const MeetingOptions& options, const Life& life) {
  const int rank = options.rank, size = static_cast<int>(options.addresses.size());
  const int64_t deadline = now_ms() + options.connect_ms;
  const uint64_t agreement = hash(options.agreement);
  std::vector<PeerSockets> peers(size);

  for (int peer = 0; peer < rank; ++peer)
    for (uint32_t channel = 0; channel < channels(peer); ++channel) {
      Socket socket = connect_tcp(options.addresses[peer], deadline);
      const Hello hello{kMagic, kVersion, static_cast<uint32_t>(rank), channel, agreement, options.nonce};
      if (!write_all(socket.fd(), &hello, sizeof hello, deadline))
        throw std::runtime_error("rank " + std::to_string(peer) + " refused the connection");
      place(peers[peer], channel) = std::move(socket);
    }

  int missing = (size - 1 - rank) * static_cast<int>(channels(rank));
  while (missing > 0) {
    if (life.is_lost()) throw std::runtime_error(kGroupLost + life.reason() + ", while the ranks met");
    if (now_ms() >= deadline) {
      std::string late;
      for (int peer = rank + 1; peer < size; ++peer)
        for (uint32_t channel = 0; channel < channels(rank); ++channel)
          if (place(peers[peer], channel).fd() < 0) {
            late += (late.empty() ? "rank " : ", ") + std::to_string(peer);
            break;
          }
      throw std::runtime_error(late + " did not come in time");
    }
    Socket socket = accept_tcp(listener.socket.fd(), kAcceptMs);
    if (socket.fd() < 0) continue;
    Hello hello{};
    if (!read_all(socket.fd(), &hello, sizeof hello, std::min(deadline, now_ms() + kHelloMs))) continue;
    if (hello.magic != kMagic || hello.version != kVersion || !same(hello.nonce, options.nonce)) continue;
    const bool known = hello.rank > static_cast<uint32_t>(rank) && hello.rank < static_cast<uint32_t>(size) &&
                       hello.channel < channels(rank);
    if (!known || place(peers[hello.rank], hello.channel).fd() >= 0) continue;
    if (hello.agreement != agreement)
      throw std::runtime_error("rank " + std::to_string(hello.rank) + " was told another transport than this rank");
    place(peers[hello.rank], hello.channel) = std::move(socket);
    --missing;
  }
  return peers;
}

}  // namespace mj
