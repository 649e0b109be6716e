// What the collectives of steps cost, waiting for other ranks included. Written by the stream's thread once a step, read
// by the engine's owner.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "../api.h"

namespace mj {

class CollectiveTimes {
 public:
  // One step has ended. Steps without collectives count for nothing.
  void step(uint64_t operations, uint64_t bytes, double microseconds);
  // Totals, and the newest steps since the last call, oldest first; returns how many.
  int take(mj_collectives& totals, float* steps, int capacity);

 private:
  std::mutex mutex_;
  mj_collectives totals_{};
  std::vector<float> steps_;  // since the last call
};

}  // namespace mj
