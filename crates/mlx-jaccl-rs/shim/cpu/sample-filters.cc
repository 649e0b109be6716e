// Definitions: opcodes.h, SampleWord. Sums are double and in a fixed order, so a token does not depend on the machine.
#include "sample-filters.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace mj::cpu {
namespace {
constexpr int kFirstSorted = 256;  // nearest tokens that are sorted at first; eight times as many each further time
}

int keep_typical(const float* x, int n, int32_t* ids, int count, float max, double total, float p) {
  double weighted = 0;
  for (int i = 0; i < n; i++) {
    const double below = double(x[i]) - max, mass = std::exp(below);
    if (mass > 0) weighted += mass * below;
  }
  // surprise = log(total) - (x - max); entropy = log(total) - weighted / total: the logarithm cancels.
  const double mean = weighted / total;
  std::vector<double> distance(n);
  std::vector<int32_t> order(n);
  for (int i = 0; i < n; i++) distance[i] = std::fabs(double(x[i]) - max - mean), order[i] = i;
  auto nearer = [&](int32_t a, int32_t b) { return distance[a] != distance[b] ? distance[a] < distance[b] : a < b; };
  const double limit = double(p) * total;
  double mass = 0;
  int kept = 0;
  for (int sorted = 0, next = kFirstSorted; kept < n && (kept == 0 || mass < limit); next *= 8) {
    const int end = std::min(next, n);
    if (end < n) std::nth_element(order.begin() + sorted, order.begin() + end - 1, order.end(), nearer);
    std::sort(order.begin() + sorted, order.begin() + end, nearer);
    while (kept < end && (kept == 0 || mass < limit)) mass += std::exp(double(x[order[kept++]]) - max);
    sorted = end;
  }
  const int32_t last = order[kept - 1];
  return int(std::partition(ids, ids + count, [&](int32_t id) { return !nearer(last, id); }) - ids);
}

bool xtc_applies(const SampleRow& row, uint64_t word) {
  return row.xtc_probability > 0 && double(word >> 11) * 0x1p-53 < row.xtc_probability;
}

int exclude_top_choices(const float* x, int32_t* ids, int count, float max, const SampleRow& row) {
  double kept = 0;
  std::sort(ids, ids + count);
  for (int i = 0; i < count; i++) kept += std::exp(double(x[ids[i]]) - max);
  auto is_top = [&](int32_t id) { return std::exp(double(x[id]) - max) > row.xtc_threshold * kept; };
  int32_t least = -1;
  for (int i = 0; i < count; i++)
    if (is_top(ids[i]) && (least < 0 || x[ids[i]] <= x[least])) least = ids[i];
  auto stays = [&](int32_t id) {
    return id == least || !is_top(id) || std::find(row.exempt, std::end(row.exempt), id) != std::end(row.exempt);
  };
  return int(std::partition(ids, ids + count, stays) - ids);
}

}  // namespace mj::cpu
