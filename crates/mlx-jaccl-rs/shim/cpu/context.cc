// Choice of the instruction set at run time, and scratch memory.
#include "context.h"

#include <cstdlib>
#include <new>
#include <stdexcept>

namespace mj::cpu {
namespace {

bool has(Isa isa) {
  switch (isa) {
    case Isa::scalar: return true;
#if defined(__x86_64__)
    // __builtin_cpu_init() is needed: constructors may not have run before the first context of a dlopened library.
    case Isa::avx2:
      __builtin_cpu_init();
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case Isa::avx512:
      __builtin_cpu_init();
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    case Isa::neon: return true;
#endif
    default: return false;
  }
}

const Kernels* kernels_of(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2: return &kernels_avx2;
    case Isa::avx512: return &kernels_avx512;
#elif defined(__aarch64__)
    case Isa::neon: return &kernels_neon;
#endif
    default: return &kernels_scalar;
  }
}

Isa choose(const std::string& name) {
  struct Choice { const char* name; Isa isa; };
  static constexpr Choice choices[] = {
      {"avx512", Isa::avx512}, {"avx2", Isa::avx2}, {"neon", Isa::neon}, {"scalar", Isa::scalar}};
  for (auto& c : choices)
    if ((name == "auto" || name == c.name) && has(c.isa)) return c.isa;
  throw std::invalid_argument("isa " + name + ": unknown, or not on this machine (auto, avx512, avx2, neon, scalar)");
}

}  // namespace

Scratch::~Scratch() { std::free(data_); }

uint8_t* Scratch::bytes(size_t n) {
  if (n > size_) {
    n = (n + n / 4 + 4095) / 4096 * 4096;
    std::free(data_);
    size_ = 0;
    data_ = static_cast<uint8_t*>(std::aligned_alloc(4096, n));
    if (!data_) throw std::bad_alloc();
    size_ = n;
  }
  return data_;
}

Context::Context(const Options& o)
    : isa(choose(o.isa)), numeric(o.numeric), kernels(kernels_of(isa)),
      pool(o.threads > 0 ? o.threads : available_cores()), per_thread(pool.threads()) {}

void ContextDeleter::operator()(Context* c) const { delete c; }
ContextPtr make_context(const Options& o) { return ContextPtr(new Context(o)); }
Isa isa_of(const Context& c) { return c.isa; }
int threads_of(const Context& c) { return c.pool.threads(); }

}  // namespace mj::cpu
