// The executor over the own kernels. In a shim without kernels MLX's operations serve instead.
#include "../executor.h"
#include "isa.h"

namespace mj {

const char* best_isa() { return ""; }
std::unique_ptr<Executor> make_task_executor(const mj_engine_options& o) { return make_array_executor(o); }

}  // namespace mj
