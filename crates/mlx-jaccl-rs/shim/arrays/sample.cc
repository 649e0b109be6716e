// Sampling as MLX operations, all rows at once: the same filters and the same noise of (seed, position, token) as the
// own kernels have. Logarithms may differ in their last bits, so on a GPU equal tokens are the rule, not a promise.
#include <limits>
#include <vector>

#include "executor.h"
#include "mlx/ops.h"

namespace mj {

namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;
constexpr uint64_t kMixA = 0xbf58476d1ce4e5b9u, kMixB = 0x94d049bb133111ebu;  // of splitmix64

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * kMixA;
  x = (x ^ (x >> 27)) * kMixB;
  return x ^ (x >> 31);
}

struct Rows {
  std::vector<float> temperature, top_p, min_p;
  std::vector<int32_t> top_k;
  std::vector<uint64_t> key;  // of the noise
  bool sampled = false, filtered = false;
};

Rows read_rows(const int32_t* words, int rows, int vocabulary) {
  Rows r;
  for (int i = 0; i < rows; ++i, words += SAMPLE_WORDS) {
    const float temperature = as_float(words[SAMPLE_TEMPERATURE]), top_p = as_float(words[SAMPLE_TOP_P]);
    const float min_p = as_float(words[SAMPLE_MIN_P]);
    const int32_t top_k = words[SAMPLE_TOP_K];
    const uint64_t seed = static_cast<uint32_t>(words[SAMPLE_SEED_LOW]) |
                          static_cast<uint64_t>(static_cast<uint32_t>(words[SAMPLE_SEED_HIGH])) << 32;
    const bool sampled = temperature > 0;
    r.temperature.push_back(sampled ? temperature : 0);
    r.top_p.push_back(top_p < 1 ? top_p : std::numeric_limits<float>::infinity());
    r.min_p.push_back(min_p > 0 ? min_p : 0);
    r.top_k.push_back(top_k > 0 && top_k < vocabulary ? top_k : vocabulary);
    r.key.push_back(mix(mix(seed + kGolden) + static_cast<uint32_t>(words[SAMPLE_POSITION]) * kGolden));
    r.sampled |= sampled;
    r.filtered |= sampled && (top_p < 1 || min_p > 0 || r.top_k.back() < vocabulary);
  }
  return r;
}

// Gumbel noise [rows, vocabulary] from 24 bits of a hash of (key, token).
mx::array noise(const Rows& r, int rows, int vocabulary, mx::Stream s) {
  auto word = [](uint64_t n) { return mx::array(n, mx::uint64); };
  const mx::array keys = mx::array(r.key.data(), {rows, 1}, mx::uint64);
  const mx::array ids = mx::astype(mx::arange(0, vocabulary, mx::int32, s), mx::uint64, s);
  mx::array x = mx::add(keys, mx::multiply(mx::expand_dims(ids, 0, s), word(kGolden), s), s);
  auto fold = [&](int shift) { x = mx::bitwise_xor(x, mx::right_shift(x, word(shift), s), s); };
  fold(30), x = mx::multiply(x, word(kMixA), s);
  fold(27), x = mx::multiply(x, word(kMixB), s);
  fold(31);
  const mx::array bits = mx::astype(mx::right_shift(x, word(40), s), mx::float32, s);
  const mx::array u = mx::multiply(mx::add(bits, mx::array(0.5f), s), mx::array(0x1p-24f), s);
  return mx::negative(mx::log(mx::negative(mx::log(u, s), s), s), s);
}

}  // namespace

mx::array sample_arrays(const mx::array& logits, const int32_t* words, int rows, mx::Stream s) {
  const int vocabulary = logits.shape(1);
  const Rows r = read_rows(words, rows, vocabulary);
  const mx::array greedy = mx::astype(mx::argmax(logits, 1, false, s), mx::int32, s);
  if (!r.sampled) return greedy;
  auto column = [&](const auto& v) { return mx::array(v.data(), {rows, 1}); };
  const mx::array temperature = column(r.temperature);
  const mx::array none(-std::numeric_limits<float>::infinity());
  const mx::array scaled = mx::divide(logits, mx::maximum(temperature, mx::array(1e-20f), s), s);
  mx::array scores = mx::add(scaled, noise(r, rows, vocabulary, s), s);
  if (r.filtered) {
    // In descending order: the first top_k of them, those before which less than top_p has been gathered, and those
    // with at least min_p of the most likely one's probability.
    const mx::array order = mx::argsort(mx::negative(scaled, s), 1, s);
    const mx::array sorted = mx::take_along_axis(scaled, order, 1, s);
    const mx::array rank = mx::expand_dims(mx::arange(0, vocabulary, mx::int32, s), 0, s);
    mx::array keep = mx::less(rank, column(r.top_k), s);
    const mx::array shares = mx::softmax(mx::where(keep, sorted, none, s), 1, true, s);
    const mx::array before = mx::cumsum(shares, 1, false, false, std::nullopt, s);
    keep = mx::logical_and(keep, mx::less(before, column(r.top_p), s), s);
    const mx::array best = mx::slice(shares, mx::Shape{0, 0}, mx::Shape{rows, 1}, s);
    keep = mx::logical_and(keep, mx::greater_equal(shares, mx::multiply(best, column(r.min_p), s), s), s);
    keep = mx::logical_or(keep, mx::equal(rank, mx::array(0), s), s);  // one token always stays
    const mx::array kept = mx::where(keep, mx::take_along_axis(scores, order, 1, s), none, s);
    const mx::array place = mx::argmax(kept, 1, true, s);
    const mx::array chosen = mx::squeeze(mx::take_along_axis(order, place, 1, s), 1, s);
    return mx::where(mx::greater(mx::squeeze(temperature, 1, s), mx::array(0.0f), s), mx::astype(chosen, mx::int32, s),
                     greedy, s);
  }
  const mx::array chosen = mx::astype(mx::argmax(scores, 1, false, s), mx::int32, s);
  return mx::where(mx::greater(mx::squeeze(temperature, 1, s), mx::array(0.0f), s), chosen, greedy, s);
}

}  // namespace mj
