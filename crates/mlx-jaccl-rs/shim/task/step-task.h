// A whole step as one MLX primitive: one task on the CPU stream, so that submitting returns at once and the next step is
// encoded while this one runs (MLX blocks above ten tasks).
#pragma once
#include <memory>
#include <vector>

#include "mlx/array.h"
#include "mlx/primitives.h"
#include "plan.h"

namespace mj {

class StepTask final : public mlx::core::Primitive {
 public:
  StepTask(mlx::core::Stream stream, std::shared_ptr<const Plan> plan, std::shared_ptr<Machine> machine)
      : Primitive(stream), plan_(std::move(plan)), machine_(std::move(machine)) {}
  const char* name() const override { return "StepTask"; }
  void eval_cpu(const std::vector<mlx::core::array>& inputs, std::vector<mlx::core::array>& outputs) override;
  void eval_gpu(const std::vector<mlx::core::array>&, std::vector<mlx::core::array>&) override;

 private:
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<Machine> machine_;
};

}  // namespace mj
