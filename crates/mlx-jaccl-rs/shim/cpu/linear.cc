// Matrix products: chooses the numeric path, quantizes the activations once, and deals blocks of outputs to threads.
#include <algorithm>
#include <stdexcept>

#include "context.h"
#include "matrix.h"

namespace mj::cpu {
namespace {

// Rows of activations that stay in the second-level cache while the weights pass by.
constexpr size_t kPanelBytes = size_t(384) << 10;
constexpr int kPanelRows = 12;  // a panel is a multiple of the largest row tile
// Bytes of weights below which a second thread costs more than it brings.
constexpr size_t kChunkWork = size_t(32) << 10;

void product(Context& c, const float* x, int rows, const PackedWeight& p, const float* bias, const float* residual,
             float* y) {
  if (rows <= 0) return;
  const bool integers = p.format <= kInt8 && c.numeric != Numeric::fp32;
  const int halves = c.numeric == Numeric::int8 ? 1 : 2;
  const Kernels& k = *c.kernels;
  auto input = reinterpret_cast<const uint8_t*>(x);
  size_t stride = size_t(p.k) * sizeof(float);
  if (integers) {
    stride = k.quantized_bytes(p.k, halves);
    uint8_t* records = c.shared.bytes(stride * rows);
    for_ranges(c, rows, 8, [&](size_t first, size_t last, int) {
      for (size_t r = first; r < last; r++) k.quantize(x + r * p.k, p.k, halves, records + r * stride);
    });
    input = records;
  }
  const int blocks = (p.n + kLanes - 1) / kLanes;
  const int tiles = std::max<int>(1, int(kPanelBytes / stride) / kPanelRows);
  const int panel = std::min(rows, tiles * kPanelRows), panels = (rows + panel - 1) / panel;
  const size_t work = p.block_bytes * size_t(blocks) * std::min(rows, 8);
  int parts = c.pool.threads() == 1 ? 1 : int(std::min<size_t>({size_t(c.pool.threads()) * 4, size_t(blocks),
                                                                std::max<size_t>(1, work / kChunkWork)}));
  c.pool.run(panels * parts, [&](int i, int) {
    const int part = i % parts, row = i / parts * panel;
    LinearTask t{};
    t.w = &p;
    t.x = input + row * stride;
    t.x_stride = stride;
    t.rows = std::min(panel, rows - row);
    t.first_block = int(size_t(blocks) * part / parts);
    t.last_block = int(size_t(blocks) * (part + 1) / parts);
    t.bias = bias;
    t.residual = residual ? residual + size_t(row) * p.n : nullptr;
    t.y = y + size_t(row) * p.n;
    if (integers) k.linear_int(&t, halves);
    else k.linear_f32(&t);
  });
}

}  // namespace

void linear(Context& c, const float* x, int rows, const Matrix& w, const float* bias, const float* residual, float* y) {
  product(c, x, rows, w.packed, bias, residual, y);
}

void linear_part(Context& c, const float* x, int rows, const Matrix& w, int first, int n, float* y) {
  if (first % kLanes || first < 0 || n < 0 || first + n > w.packed.n || (n % kLanes && first + n != w.packed.n))
    throw std::invalid_argument("a part of a matrix that is not a multiple of " + std::to_string(kLanes) + " rows");
  PackedWeight part = w.packed;
  part.data += size_t(first / kLanes) * part.block_bytes;
  part.n = n;
  product(c, x, rows, part, nullptr, nullptr, y);
}

}  // namespace mj::cpu
