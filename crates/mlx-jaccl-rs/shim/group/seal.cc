#include "seal.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace mj {

namespace {

constexpr size_t kBlock = 1024;    // floats: no frame of a transport is smaller than 4 KiB
constexpr size_t kLanes = 8;
constexpr double kRounding = 0x1p-24;
constexpr double kSlack = 4;       // rounding of the sums themselves, and of the seal's own words
// Numbers of operations in two floats that stay exact when eight ranks add them up.
constexpr uint64_t kDigit = uint64_t{1} << 20;

double weight(size_t block) { return 1 + static_cast<double>(block * 37 % 64) / 64; }

float low(uint64_t operation) { return static_cast<float>(operation % kDigit); }
float high(uint64_t operation) { return static_cast<float>(operation / kDigit % kDigit); }

}  // namespace

Sums sums_of(const float* x, size_t n) {
  Sums all;
  for (size_t block = 0, at = 0; at < n; ++block) {
    const size_t end = std::min(n, at + kBlock);
    double value[kLanes] = {}, magnitude[kLanes] = {};
    for (; at + kLanes <= end; at += kLanes)
      for (size_t i = 0; i < kLanes; ++i) {
        value[i] += x[at + i];
        magnitude[i] += std::fabs(x[at + i]);
      }
    for (; at < end; ++at) {
      value[0] += x[at];
      magnitude[0] += std::fabs(x[at]);
    }
    double v = 0, m = 0;
    for (size_t i = 0; i < kLanes; ++i) v += value[i], m += magnitude[i];
    all.value += weight(block) * v;
    all.magnitude += weight(block) * m;
  }
  return all;
}

void write_head(uint64_t operation, float* head) {
  head[0] = low(operation);
  head[1] = high(operation);
}
void write_tail(uint64_t operation, const Sums& sums, float* tail) {
  tail[0] = static_cast<float>(sums.value);
  tail[1] = static_cast<float>(sums.magnitude);
  tail[2] = low(operation);
  tail[3] = high(operation);
}

std::string check_sum(uint64_t operation, int ranks, const float* head, const Sums& sums, const float* tail) {
  const float l = low(operation) * static_cast<float>(ranks), h = high(operation) * static_cast<float>(ranks);
  if (head[0] != l || head[1] != h || tail[2] != l || tail[3] != h)
    return "its messages are not all of this operation: one was lost, repeated or damaged";
  // Operands that were not finite themselves have no sums to compare.
  if (!std::isfinite(tail[0]) || !std::isfinite(tail[1])) return "";
  const double allowed = (kSlack + ranks) * kRounding * tail[1] + 1e-30;
  const double off = std::fabs(sums.value - tail[0]);
  if (off <= allowed) return "";
  char text[160];
  std::snprintf(text, sizeof text, "the sum is off by %.3g where rounding explains %.3g: a message was damaged", off,
                allowed);
  return text;
}

// Four lanes of multiply and add over 64-bit words; the multiplier is odd, so that every word counts.
uint64_t hash_bytes(const void* bytes, size_t n) {
  constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15u;
  const char* from = static_cast<const char*>(bytes);
  uint64_t lane[4] = {1, 2, 3, 4};
  size_t at = 0;
  for (; at + 32 <= n; at += 32) {
    uint64_t words[4];
    std::memcpy(words, from + at, sizeof words);
    for (int i = 0; i < 4; ++i) lane[i] = (lane[i] ^ words[i]) * kMultiplier;
  }
  for (; at < n; ++at) lane[0] = (lane[0] ^ static_cast<unsigned char>(from[at])) * kMultiplier;
  uint64_t h = n;
  for (uint64_t one : lane) h = (h ^ one ^ one >> 32) * kMultiplier;
  return h ^ h >> 29;
}

}  // namespace mj
