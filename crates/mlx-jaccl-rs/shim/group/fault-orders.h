// For tests only: damage that this process is to do to its own collectives, read from a file while it runs. Off unless
// MLX_CLUSTER_TEST_FAULTS names a folder; a file there with this process' number as its name is taken as orders:
// "drop", "corrupt" (the next message), "cable" (nothing moves any more), "lat_us=N", "mbps=N" (until told otherwise).
#pragma once
#include <cstdint>
#include <string>

namespace mj {

struct Orders {
  bool drop = false, corrupt = false, cable = false;
  int64_t latency_us = 0, megabytes_per_s = 0;
};

class FaultOrders {
 public:
  FaultOrders();
  // What is ordered for the next message; single orders are given once.
  Orders next();

 private:
  std::string path_;  // "": off
  Orders standing_;
};

}  // namespace mj
