// Sampling in mlx-lm's order: the filters on log-probabilities at temperature 1, then Gumbel-max at the row's
// temperature. top_p, min_p and top_k keep a prefix of the tokens in descending order (equal logits: lower id first),
// so their intersection is the shortest prefix, and none of them needs a full sort. typical_p and XTC then leave out
// some (sample-filters.cc).
//
// Noise of token id t at position p: gumbel(key, t) (kernels/sampling.inc), key = splitmix64 of seed and position.
#include <algorithm>
#include <cmath>
#include <limits>

#include "context.h"
#include "sample-filters.h"

namespace mj::cpu {
namespace {

uint64_t splitmix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

uint64_t key_of(const SampleRow& row) { return splitmix64(splitmix64(row.seed) + uint64_t(uint32_t(row.position))); }

// How far below the maximum candidates are collected, one try after the other.
constexpr float kDepths[] = {4, 8, 16, std::numeric_limits<float>::infinity()};
constexpr int kBins = 256;

// Shortens `ids` to the prefix in descending order that top_p keeps: tokens before which less than p * total lies.
// Bins by depth find the token at the edge; only its bin is sorted.
int keep_top_p(const float* x, int32_t* ids, int count, float max, double limit) {
  auto less = [x](int32_t a, int32_t b) { return x[a] != x[b] ? x[a] > x[b] : a < b; };
  double before = 0;
  int32_t* first = ids;
  int32_t* end = ids + count;
  float top = max;
  while (end - first > kBins) {
    float low = top;
    for (auto i = first; i < end; i++) if (x[*i] > -std::numeric_limits<float>::infinity()) low = std::min(low, x[*i]);
    const float scale = kBins / (top - low);
    if (!(scale < std::numeric_limits<float>::infinity())) break;  // all equal: in order of id
    auto bin = [&](int32_t id) { return int(std::min((top - x[id]) * scale, float(kBins - 1))); };
    double mass[kBins] = {};
    for (auto i = first; i < end; i++) mass[bin(*i)] += std::exp(double(x[*i]) - max);
    int edge = 0;
    double sum = before;
    while (edge < kBins - 1 && sum + mass[edge] < limit) sum += mass[edge++];
    auto a = std::partition(first, end, [&](int32_t id) { return bin(id) < edge; });
    auto b = std::partition(a, end, [&](int32_t id) { return bin(id) == edge; });
    const bool stuck = a == first && b == end;
    before = sum;
    first = a;
    end = b;
    if (stuck || first == end) break;
    top = x[*std::max_element(first, end, [x](int32_t i, int32_t j) { return x[i] < x[j]; })];
  }
  std::sort(first, end, less);
  while (first < end && before < limit) before += std::exp(double(x[*first++]) - max);
  return std::max(1, int(first - ids));
}

int draw(const Kernels& k, const float* x, int n, const SampleRow& row, double& total, Scratch& scratch) {
  const int best = k.argmax(x, n);
  const float max = x[best], inverse = 1.f / row.temperature;
  if (row.temperature <= 0 || !(inverse < std::numeric_limits<float>::infinity())) return best;
  const bool top_p = row.top_p > 0 && row.top_p < 1, top_k = row.top_k > 0 && row.top_k < n;
  const bool min_p = row.min_p > 0;
  const uint64_t key = key_of(row);
  const bool typical = row.typical_p > 0 && row.typical_p < 1;
  const bool xtc = xtc_applies(row, splitmix64(~key));
  if (!top_p && !top_k && !min_p && !typical && !xtc) return k.gumbel_argmax(x, nullptr, n, max, inverse, key);
  const float floor = min_p ? max + std::log(std::min(row.min_p, 1.f)) : -std::numeric_limits<float>::infinity();
  if (top_p || typical) total = k.sum_exp(x, n, max);
  const double limit = double(row.top_p) * total;
  auto ids = reinterpret_cast<int32_t*>(scratch.bytes(size_t(n) * sizeof(int32_t)));
  int count = 0;
  // Without a filter that keeps a prefix every token is a candidate.
  const bool prefix = top_p || top_k || min_p;
  if (!prefix) count = k.collect(x, n, -std::numeric_limits<float>::infinity(), ids);
  for (float depth : kDepths) {
    if (!prefix) break;
    const float threshold = std::max(floor, max - depth);
    count = k.collect(x, n, threshold, ids);
    if (threshold == floor || (top_k && count >= row.top_k)) break;
    if (top_p) {
      double mass = 0;
      for (int i = 0; i < count; i++) mass += std::exp(double(x[ids[i]]) - max);
      if (mass >= limit) break;
    }
  }
  if (count == 0) return best;  // not a number
  if (top_k && count > row.top_k) {
    std::nth_element(ids, ids + row.top_k - 1, ids + count,
                     [x](int32_t a, int32_t b) { return x[a] != x[b] ? x[a] > x[b] : a < b; });
    count = row.top_k;
  }
  if (top_p) count = keep_top_p(x, ids, count, max, limit);
  if (typical) count = keep_typical(x, n, ids, count, max, total, row.typical_p);
  if (xtc) count = exclude_top_choices(x, ids, count, max, row);
  if (count == 0) return best;
  std::sort(ids, ids + count);  // the first of equal scores is the lowest id
  return k.gumbel_argmax(x, ids, count, max, inverse, key);
}

}  // namespace

void sample(Context& c, const float* logits, int rows, int vocabulary, const SampleRow* parameters, int32_t* tokens,
            float* logprobs) {
  c.pool.run(rows, [&](int r, int thread) {
    const float* x = logits + size_t(r) * vocabulary;
    double total = 0;
    tokens[r] = draw(*c.kernels, x, vocabulary, parameters[r], total, c.per_thread[thread]);
    if (!logprobs) return;
    const float max = x[c.kernels->argmax(x, vocabulary)];
    if (total == 0) total = c.kernels->sum_exp(x, vocabulary, max);
    logprobs[r] = float(double(x[tokens[r]]) - max - std::log(total));
  });
}

}  // namespace mj::cpu
