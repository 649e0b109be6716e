// Random weights in MLX's layouts, with the numbers they stand for.
#pragma once
#include "check.h"

namespace mj::test {

struct Weight {
  MatrixPtr matrix;
  std::vector<double> values;  // [n, k]
};

inline uint16_t to_half(float x, bool bf16) {  // rounds toward zero: any value will do
  uint32_t u;
  memcpy(&u, &x, 4);
  if (bf16) return uint16_t(u >> 16);
  const int e = int(u >> 23 & 255) - 127;
  if (e < -14) return uint16_t(u >> 16 & 0x8000);
  return uint16_t((u >> 16 & 0x8000) | (e + 15) << 10 | (u >> 13 & 0x3ff));
}
inline double from_half(uint16_t h, bool bf16) {
  if (bf16) {
    uint32_t u = uint32_t(h) << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
  }
  const int e = h >> 10 & 31;
  const double m = e ? 1 + (h & 1023) / 1024.0 : (h & 1023) / 512.0;
  return (h & 0x8000 ? -1 : 1) * std::ldexp(m, e - 15);
}

struct Halves {
  std::vector<float> f32;
  std::vector<uint16_t> f16;
  std::vector<double> value;
  const void* data;
  Halves(const std::vector<float>& v, ElementType type) : f32(v), data(nullptr) {
    for (float x : v) {
      if (type == ElementType::f32) {
        value.push_back(x);
      } else {
        f16.push_back(to_half(x, type == ElementType::bf16));
        value.push_back(from_half(f16.back(), type == ElementType::bf16));
      }
    }
    data = type == ElementType::f32 ? static_cast<const void*>(f32.data()) : f16.data();
  }
};

inline Weight affine_weight(int n, int k, int bits, int group, ElementType type, uint32_t seed) {
  std::mt19937 random(seed);
  const int words = int(int64_t(k) * bits / 32), groups = k / group;
  std::vector<uint32_t> w(size_t(n) * words);
  std::vector<uint32_t> q(size_t(n) * k);
  for (int r = 0; r < n; r++)
    for (int i = 0; i < k; i++) {
      const uint32_t v = random() & ((1u << bits) - 1);
      q[size_t(r) * k + i] = v;
      for (int b = 0; b < bits; b++)
        if (v >> b & 1) w[size_t(r) * words + (size_t(i) * bits + b) / 32] |= 1u << ((size_t(i) * bits + b) % 32);
    }
  std::vector<float> s(size_t(n) * groups), b(size_t(n) * groups);
  std::uniform_real_distribution<float> d(0.01f, 0.05f);
  for (size_t i = 0; i < s.size(); i++) s[i] = d(random), b[i] = -s[i] * float((1 << bits) - 1) / 2;
  Halves scales(s, type), biases(b, type);
  Weight weight{pack_affine(w.data(), scales.data, biases.data, type, n, k, bits, group), {}};
  for (size_t i = 0; i < q.size(); i++) {
    const size_t g = i / k * groups + i % k / group;
    weight.values.push_back(scales.value[g] * q[i] + biases.value[g]);
  }
  return weight;
}

inline Weight mxfp4_weight(int n, int k, uint32_t seed) {
  static const double numbers[8] = {0, .5, 1, 1.5, 2, 3, 4, 6};
  std::mt19937 random(seed);
  std::vector<uint32_t> w(size_t(n) * k / 8);
  std::vector<uint8_t> s(size_t(n) * k / 32);
  for (auto& v : w) v = random();
  for (auto& v : s) v = uint8_t(120 + random() % 5);
  Weight weight{pack_mxfp4(w.data(), s.data(), n, k), {}};
  for (size_t i = 0; i < size_t(n) * k; i++) {
    const uint32_t v = w[i / 8] >> (i % 8 * 4) & 15;
    weight.values.push_back((v & 8 ? -1 : 1) * numbers[v & 7] * std::ldexp(1, s[i / 32] - 127));
  }
  return weight;
}

inline Weight dense_weight(int n, int k, ElementType type, uint32_t seed) {
  Halves h(normal(size_t(n) * k, seed, 0.1f), type);
  return {pack_dense(h.data, type, n, k), h.value};
}

}  // namespace mj::test
