// Collectives of MLX itself, for compatibility: its ring over TCP, and NCCL. Operands are copied through MLX arrays. Both
// wait without end for a peer that is gone: a thread of its own waits for them, so that the step that asked does not.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "life.h"
#include "sockets.h"
#include "transport.h"

namespace mj {

struct MlxTransportOptions {
  std::string backend;                 // "ring" or "nccl"
  std::vector<TcpAddress> addresses;   // of the ranks; MLX gets other ports of the same hosts
  int connect_ms = 0, operation_ms = 0;
};

// `rendezvous` tells the ranks each other's ports. Throws one sentence where MLX does not have the backend.
std::unique_ptr<Transport> open_mlx_transport(const MlxTransportOptions&, std::shared_ptr<Life>, Transport& rendezvous);

}  // namespace mj
