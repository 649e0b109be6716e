// The best instruction set of the own kernels on this machine.
#pragma once

namespace mj {

const char* best_isa();  // "avx512", "avx2", "neon" or "scalar"; "" in a shim without kernels

}  // namespace mj
