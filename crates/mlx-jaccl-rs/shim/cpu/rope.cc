// Norm and rotation of q and k, and the append of k and v to the KV blocks.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "context.h"
#include "kv_store.h"

namespace mj::cpu {
namespace {

constexpr size_t kKeptAngles = 4;  // tables of a step: models mix two kinds of layer, speculation adds a second model
constexpr size_t kRowGrain = 8;

// Angles are products of doubles: at position 100,000 a float angle would be wrong by up to 0.004.
const RopeAngles& angles_of(Context& c, const std::vector<int>& positions, const RopeParameters& p) {
  const int half = p.rope_dims / 2;
  c.clock++;
  for (auto& a : c.angles) {
    if (a.scale == p.scale && a.positions == positions && int(a.frequencies.size()) == half &&
        std::equal(a.frequencies.begin(), a.frequencies.end(), p.inverse_frequencies)) {
      a.used = c.clock;
      return a;
    }
  }
  if (c.angles.size() < kKeptAngles) c.angles.emplace_back();
  auto& a = *std::min_element(c.angles.begin(), c.angles.end(), [](auto& x, auto& y) { return x.used < y.used; });
  a.frequencies.assign(p.inverse_frequencies, p.inverse_frequencies + half);
  a.positions = positions;
  a.scale = p.scale;
  a.used = c.clock;
  a.cos.resize(positions.size() * half);
  a.sin.resize(positions.size() * half);
  for_ranges(c, positions.size(), kRowGrain, [&](size_t first, size_t last, int) {
    for (size_t r = first; r < last; r++) {
      for (int i = 0; i < half; i++) {
        const double angle = double(positions[r]) * double(a.frequencies[i]);
        a.cos[r * half + i] = float(std::cos(angle) * p.scale);
        a.sin[r * half + i] = float(std::sin(angle) * p.scale);
      }
    }
  });
  return a;
}

void rotate_pairs(const float* x, const float* cos, const float* sin, int half, int width, float* y) {
  for (int i = 0; i < half; i++) {
    const float a = x[2 * i], b = x[2 * i + 1];
    y[2 * i] = a * cos[i] - b * sin[i];
    y[2 * i + 1] = a * sin[i] + b * cos[i];
  }
  if (y != x) for (int i = 2 * half; i < width; i++) y[i] = x[i];
}

}  // namespace

void rope_append(Context& c, const KvStore& store, const float* qkv, const std::vector<Segment>& segments, int layer,
                 const RopeParameters& p, float* q) {
  struct Row { const Segment* segment; int row, position; };
  std::vector<Row> rows;
  std::vector<int> positions;
  for (auto& s : segments) {
    for (int i = 0; i < s.rows; i++) {
      rows.push_back({&s, s.first_row + i, s.start + i});
      positions.push_back(s.start + i);
    }
  }
  const int d = p.head_dim, half = p.mode ? p.rope_dims / 2 : 0;
  const RopeAngles* angles = half ? &angles_of(c, positions, p) : nullptr;
  const KvLayout& kv = store.layout;
  const size_t width = size_t(p.query_heads + 2 * p.kv_heads) * d;
  for_ranges(c, rows.size(), kRowGrain, [&](size_t first, size_t last, int thread) {
    float* head = c.per_thread[thread].floats(d);
    for (size_t r = first; r < last; r++) {
      const float* in = qkv + rows[r].row * width;
      const float* cos = angles ? &angles->cos[r * half] : nullptr;
      const float* sin = angles ? &angles->sin[r * half] : nullptr;
      auto turn = [&](const float* x, const float* norm, float* y) {
        if (norm) {
          c.kernels->rms_norm(x, norm, p.norm_offset, p.norm_eps, d, y);
          x = y;
        }
        if (p.mode == 1) c.kernels->rope_halves(x, cos, sin, half, d, y);
        else if (p.mode == 2) rotate_pairs(x, cos, sin, half, d, y);
        else if (x != y) memcpy(y, x, d * sizeof(float));
      };
      for (int h = 0; h < p.query_heads; h++)
        turn(in + size_t(h) * d, p.q_norm, q + (size_t(rows[r].row) * p.query_heads + h) * d);
      const int slot = rows[r].position % kBlock;
      float* block = rows[r].segment->blocks[rows[r].position / kBlock];
      for (int h = 0; h < p.kv_heads; h++) {
        turn(in + size_t(p.query_heads + h) * d, p.k_norm, head);
        float* keys = block + kv.offset(layer, h);
        for (int i = 0; i < d; i++) keys[size_t(i) * kBlock + slot] = head[i];
        float* values = keys + size_t(d) * kBlock + size_t(slot) * kv.value_stride;
        memcpy(values, in + size_t(p.query_heads + p.kv_heads + h) * d, d * sizeof(float));
      }
    }
  });
}

}  // namespace mj::cpu
