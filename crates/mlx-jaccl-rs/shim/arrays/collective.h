// Collectives of a rank group as nodes of MLX's graph, on a CPU stream: between them the device computes. Every node
// waits for the one before, so that all ranks run them in one order, whatever else their graphs hold.
#pragma once
#include <memory>
#include <vector>

#include "../executor.h"

namespace mj {

// Those of one step.
class CollectiveChain {
 public:
  CollectiveChain(std::shared_ptr<Group> group, mx::Stream cpu)
      : group_(std::move(group)), cpu_(cpu), outcome_(std::make_shared<Outcome>()) {}

  // The same shape and type as x.
  mx::array sum(const mx::array& x, mx::Stream);
  // [rows, ranks * width]
  mx::array gather(const mx::array& x, mx::Stream);
  const OutcomePtr& outcome() const { return outcome_; }
  // All ranks run all collectives of a step, needed or not.
  void roots(std::vector<mx::array>& out) const {
    if (last_) out.push_back(*last_);
  }

 private:
  mx::array add(const mx::array& x, bool gathers, mx::Stream);

  std::shared_ptr<Group> group_;
  mx::Stream cpu_;
  OutcomePtr outcome_;
  std::optional<mx::array> last_;
};

}  // namespace mj
