// How the ranks of a group meet: every pair gets its sockets, and only who knows the group's nonce is let in.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "life.h"
#include "sockets.h"

namespace mj {

constexpr size_t kNonceBytes = 32;
using Nonce = std::array<uint8_t, kNonceBytes>;

struct MeetingOptions {
  int rank = 0;
  std::vector<TcpAddress> addresses;  // of the ranks' listeners, in rank order
  Nonce nonce{};                      // proves that a peer is of this group
  std::string agreement;              // what all ranks must have been told alike, such as the transport
  int connect_ms = 0;
};

// The sockets to one other rank. Messages go between rank 0 and the others only.
struct PeerSockets {
  Socket data, beats, messages;
};

// Connects to the ranks below and accepts those above, in rank order; the own place stays empty. Peers that do not know
// the nonce are closed and not counted. Throws when the ranks do not meet in time.
std::vector<PeerSockets> meet(const TcpListener&, const MeetingOptions&, const Life&);

}  // namespace mj
