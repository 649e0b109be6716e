// Norm, gated activations and sums, dealt to threads by rows or elements.
#include "context.h"

namespace mj::cpu {
namespace {
constexpr size_t kGrain = 16384;  // elements worth a chunk of their own

size_t row_grain(int width) { return kGrain / size_t(width) + 1; }
}  // namespace

void rms_norm(Context& c, const float* x, int rows, int width, const float* weight, float offset, float eps, float* y) {
  for_ranges(c, rows, row_grain(width), [&](size_t first, size_t last, int) {
    for (size_t r = first; r < last; r++) c.kernels->rms_norm(x + r * width, weight, offset, eps, width, y + r * width);
  });
}

void gated(Context& c, const float* gate_up, int rows, int width, Activation activation, float* y) {
  for_ranges(c, rows, row_grain(width), [&](size_t first, size_t last, int) {
    for (size_t r = first; r < last; r++) {
      const float* gate = gate_up + r * 2 * width;
      c.kernels->gated(gate, gate + width, width, int(activation), y + r * width);
    }
  });
}

void add(Context& c, const float* a, const float* b, size_t n, float* y) {
  for_ranges(c, n, kGrain, [&](size_t i, size_t end, int) { c.kernels->add(a + i, b + i, end - i, y + i); });
}

void scale(Context& c, const float* x, size_t n, float factor, float* y) {
  for_ranges(c, n, kGrain, [&](size_t i, size_t end, int) { c.kernels->scale(x + i, end - i, factor, y + i); });
}

void softcap(Context& c, const float* x, size_t n, float cap, float* y) {
  for_ranges(c, n, kGrain, [&](size_t i, size_t end, int) { c.kernels->softcap(x + i, end - i, cap, y + i); });
}

}  // namespace mj::cpu
