// Rows of a packed weight matrix as f32: the embedding. A row is one lane of a block.
#include <cstring>
#include <stdexcept>

#include "context.h"
#include "matrix.h"

namespace mj::cpu {
namespace {

float scale_at(const uint8_t* p, int type, int lane) {
  if (type == kScaleF32) {
    float f;
    memcpy(&f, p + lane * 4, 4);
    return f;
  }
  uint16_t h;
  memcpy(&h, p + lane * 2, 2);
  return type == kScaleF16 ? half_to_float(h) : bf16_to_float(h);
}

void quantized_row(const PackedWeight& w, const uint8_t* p, int lane, float factor, float* y) {
  const size_t plane = w.scale_type == kScaleF32 ? 64 : 32;
  for (int k = 0; k < w.k; k += w.group, p += w.group_bytes) {
    const float s = scale_at(p, w.scale_type, lane), b = scale_at(p + plane, w.scale_type, lane);
    auto words = reinterpret_cast<const uint32_t*>(p + 2 * plane) + lane;
    if (w.format == kInt8) {
      for (int i = 0; i < w.group; i += 4, y += 4) {
        const uint32_t v = words[i / 4 * kLanes];
        for (int j = 0; j < 4; j++) y[j] = (s * float(v >> 8 * j & 255) + b) * factor;
      }
    } else {
      for (int i = 0; i < w.group; i += 8, y += 8) {
        const uint32_t v = words[i / 8 * kLanes];
        uint32_t q[8];
        for (int j = 0; j < 4; j++) q[j] = v >> 8 * j & 15, q[4 + j] = v >> (8 * j + 4) & 15;
        if (w.format == kCode4) for (auto& number : q) number = kFp4Codes[number];
        for (int j = 0; j < 8; j++) y[j] = (s * float(q[j]) + b) * factor;
      }
    }
  }
}

void dense_row(const PackedWeight& w, const uint8_t* p, int lane, float factor, float* y) {
  if (w.format == kDenseF32) {
    auto v = reinterpret_cast<const float*>(p) + lane;
    for (int k = 0; k < w.k; k++) y[k] = v[size_t(k) * kLanes] * factor;
  } else {
    auto v = reinterpret_cast<const uint16_t*>(p) + lane;
    for (int k = 0; k < w.k; k++) {
      const uint16_t h = v[size_t(k) * kLanes];
      y[k] = (w.format == kDenseF16 ? half_to_float(h) : bf16_to_float(h)) * factor;
    }
  }
}

}  // namespace

void embed(Context& c, const int32_t* ids, int rows, const Matrix& m, int first, int vocabulary, float factor,
           float* y) {
  const PackedWeight& w = m.packed;
  for (int r = 0; r < rows; r++)
    if (ids[r] < 0 || ids[r] >= vocabulary) throw std::out_of_range("embed: token id outside the vocabulary");
  for_ranges(c, rows, 8, [&](size_t begin, size_t end, int) {
    for (size_t r = begin; r < end; r++) {
      const int id = ids[r] - first;
      float* out = y + r * w.k;
      if (id < 0 || id >= w.n) {
        memset(out, 0, size_t(w.k) * sizeof(float));
        continue;
      }
      const uint8_t* block = w.data + size_t(id / kLanes) * w.block_bytes;
      auto row = w.format <= kInt8 ? quantized_row : dense_row;
      row(w, block, id % kLanes, factor, out);
    }
  });
}

}  // namespace mj::cpu
