// A whole step as one MLX primitive: one task on the CPU stream, so that submitting returns at once and the next step
// is encoded while this one runs (MLX blocks above ten tasks).
#pragma once
#include <memory>
#include <vector>

#include "mlx/array.h"
#include "mlx/primitives.h"
#include "../executor.h"
#include "plan.h"

namespace mj {

class StepTask final : public mx::Primitive {
 public:
  // needed: the steps whose outputs it reads.
  StepTask(mx::Stream stream, std::shared_ptr<const Plan> plan, std::shared_ptr<Machine> machine, OutcomePtr outcome,
           std::vector<OutcomePtr> needed)
      : Primitive(stream),
        plan_(std::move(plan)),
        machine_(std::move(machine)),
        outcome_(std::move(outcome)),
        needed_(std::move(needed)) {}
  const char* name() const override { return "StepTask"; }
  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override;
  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override;

 private:
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<Machine> machine_;
  OutcomePtr outcome_;
  std::vector<OutcomePtr> needed_;
};

}  // namespace mj
