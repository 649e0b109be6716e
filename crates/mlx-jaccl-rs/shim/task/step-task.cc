// Hands a step to the thread of the CPU stream.
#include "step-task.h"

#include <stdexcept>

#include "mlx/allocator.h"
#include "mlx/backend/cpu/encoder.h"

namespace mj {

// Addresses are fixed here, on the thread that submits; contents are there when the task runs.
void StepTask::eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) {
  std::vector<char*> to;
  std::vector<const char*> from;
  to.reserve(outputs.size()), from.reserve(inputs.size());
  for (auto& out : outputs) {
    out.set_data(mx::allocator::malloc(out.nbytes()));
    to.push_back(out.data<char>());
  }
  for (auto& in : inputs) {
    if (!in.flags().row_contiguous) throw std::runtime_error("StepTask: an earlier register is not contiguous");
    from.push_back(in.data<char>());
  }
  mx::cpu::get_command_encoder(stream()).dispatch([plan = plan_, machine = machine_, outcome = outcome_,
                                                   needed = needed_, to = std::move(to), from = std::move(from)] {
    for (auto& earlier : needed)
      if (!earlier->error.empty()) {
        outcome->error = earlier->error;
        return;
      }
    try {
      run_plan(*plan, *machine, to, from);
    } catch (const std::exception& e) {
      outcome->error = *e.what() ? e.what() : "the step failed";
    } catch (...) {
      outcome->error = "the step failed with an unknown C++ exception";
    }
  });
}
void StepTask::eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) {
  throw std::runtime_error("StepTask runs on a CPU only");
}

}  // namespace mj
