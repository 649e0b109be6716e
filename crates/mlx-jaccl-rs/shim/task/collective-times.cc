#include "collective-times.h"

#include <algorithm>

namespace mj {

namespace {
constexpr size_t kMostSteps = 8192;  // kept for a reader that does not come; the older half goes first
}

void CollectiveTimes::step(uint64_t operations, uint64_t bytes, double microseconds) {
  if (operations == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  totals_.operations += operations;
  totals_.bytes += bytes;
  totals_.microseconds += microseconds;
  if (steps_.size() == kMostSteps) steps_.erase(steps_.begin(), steps_.begin() + kMostSteps / 2);
  steps_.push_back(static_cast<float>(microseconds));
}

int CollectiveTimes::take(mj_collectives& totals, float* steps, int capacity) {
  const std::lock_guard<std::mutex> lock(mutex_);
  totals = totals_;
  const size_t count = std::min(steps_.size(), static_cast<size_t>(std::max(0, capacity)));
  std::copy(steps_.end() - static_cast<ptrdiff_t>(count), steps_.end(), steps);
  steps_.clear();
  return static_cast<int>(count);
}

}  // namespace mj
