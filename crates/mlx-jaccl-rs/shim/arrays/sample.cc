// Sampling as MLX operations, all rows at once: the filters and the noise of shim/cpu/sample.cc. Logarithms may differ
// in their last bits, so equal tokens are the rule, not a promise.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "executor.h"
#include "mlx/ops.h"

namespace mj {

namespace {

uint64_t splitmix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Rows {
  std::vector<float> inverse_temperature, top_p, log_min_p, typical_p, xtc_threshold;
  std::vector<int32_t> top_k, exempt;
  std::vector<uint32_t> key_low, key_high;  // of the noise
  bool sampled = false, filtered = false, typical = false, xtc = false;
};

Rows read_rows(const int32_t* words, int rows, int vocabulary) {
  Rows r;
  for (int i = 0; i < rows; ++i, words += SAMPLE_WORDS) {
    const float temperature = as_float(words[SAMPLE_TEMPERATURE]), top_p = as_float(words[SAMPLE_TOP_P]);
    const float min_p = as_float(words[SAMPLE_MIN_P]), inverse = 1.0f / temperature;
    const int32_t top_k = words[SAMPLE_TOP_K];
    const uint64_t seed = static_cast<uint32_t>(words[SAMPLE_SEED_LOW]) |
                          static_cast<uint64_t>(static_cast<uint32_t>(words[SAMPLE_SEED_HIGH])) << 32;
    const uint64_t key = splitmix64(splitmix64(seed) + static_cast<uint32_t>(words[SAMPLE_POSITION]));
    const bool sampled = temperature > 0 && inverse < kInfinity;
    const bool by_p = top_p > 0 && top_p < 1, by_k = top_k > 0 && top_k < vocabulary, by_min = min_p > 0;
    r.inverse_temperature.push_back(sampled ? inverse : 0);
    r.top_p.push_back(by_p ? top_p : kInfinity);
    r.log_min_p.push_back(by_min ? std::log(std::min(min_p, 1.0f)) : -kInfinity);
    r.top_k.push_back(by_k ? top_k : vocabulary);
    r.key_low.push_back(static_cast<uint32_t>(key));
    r.key_high.push_back(static_cast<uint32_t>(key >> 32));
    const float typical_p = as_float(words[SAMPLE_TYPICAL_P]), probability = as_float(words[SAMPLE_XTC_PROBABILITY]);
    const bool typical = typical_p > 0 && typical_p < 1;
    const bool xtc = probability > 0 && static_cast<double>(splitmix64(~key) >> 11) * 0x1p-53 < probability;
    r.typical_p.push_back(typical ? typical_p : kInfinity);
    r.xtc_threshold.push_back(xtc ? as_float(words[SAMPLE_XTC_THRESHOLD]) : kInfinity);
    r.exempt.insert(r.exempt.end(), words + SAMPLE_EXEMPT, words + SAMPLE_EXEMPT + SAMPLE_EXEMPTIONS);
    r.sampled |= sampled;
    r.filtered |= sampled && (by_p || by_k || by_min || typical || xtc);
    r.typical |= sampled && typical;
    r.xtc |= sampled && xtc;
  }
  return r;
}

// Gumbel noise [rows, vocabulary]: -log(-log(1 - v)), v = (hash of key and token + 1/2) / 2^32.
mx::array noise(const Rows& r, int rows, int vocabulary, mx::Stream s) {
  auto word = [](uint32_t n) { return mx::array(n, mx::uint32); };
  auto column = [&](const std::vector<uint32_t>& v) { return mx::array(v.data(), {rows, 1}, mx::uint32); };
  auto folded = [&](const mx::array& x, uint32_t n) { return mx::bitwise_xor(x, mx::right_shift(x, word(n), s), s); };
  const mx::array ids = mx::expand_dims(mx::arange(0.0, vocabulary, 1.0, mx::uint32, s), 0, s);
  mx::array h = mx::add(mx::multiply(ids, word(0x9e3779b1u), s), column(r.key_low), s);
  h = mx::multiply(folded(h, 16), word(0x85ebca6bu), s);
  h = mx::multiply(mx::bitwise_xor(folded(h, 13), column(r.key_high), s), word(0xc2b2ae35u), s);
  h = folded(mx::multiply(folded(h, 16), word(0x27d4eb2fu), s), 15);
  // Near one, 1 - v is taken exactly from the inverted hash.
  const mx::array high = mx::greater_equal(h, word(0x80000000u), s);
  const mx::array near = mx::where(high, mx::bitwise_xor(h, word(0xffffffffu), s), h, s);
  const mx::array f =
      mx::multiply(mx::add(mx::astype(near, mx::float32, s), mx::array(0.5f), s), mx::array(0x1p-32f), s);
  const mx::array log_rest = mx::where(high, mx::log(f, s), mx::log1p(mx::negative(f, s), s), s);
  return mx::negative(mx::log(mx::negative(log_rest, s), s), s);
}

// keep [rows, vocabulary] in descending order of the logits, order: the token ids; below: logits less the largest, by
// token. Leaves the typical tokens, or the first one where none of the kept is typical.
mx::array keep_typical(const mx::array& keep, const mx::array& below, const mx::array& order, const mx::array& p,
                       mx::Stream s) {
  const mx::array share = mx::softmax(below, 1, true, s);
  const mx::array finite = mx::maximum(below, mx::array(-1e30f), s);
  const mx::array mean = mx::sum(mx::multiply(share, finite, s), 1, true, s);
  const mx::array nearest = mx::argsort(mx::abs(mx::subtract(finite, mean, s), s), 1, s);
  const mx::array held = mx::cumsum(mx::take_along_axis(share, nearest, 1, s), 1, false, false, std::nullopt, s);
  const mx::array first = mx::equal(mx::arange(0, keep.shape(1), mx::int32, s), mx::array(0), s);
  const mx::array typical = mx::logical_or(mx::less(held, p, s), first, s);
  const mx::array by_token = mx::put_along_axis(mx::zeros(keep.shape(), mx::bool_, s), nearest, typical, 1, s);
  const mx::array both = mx::logical_and(keep, mx::take_along_axis(by_token, order, 1, s), s);
  return mx::where(mx::any(both, 1, true, s), both, first, s);
}

// sorted: logits in that order. threshold [rows, 1], infinite where XTC does not act; exempt: SAMPLE_EXEMPTIONS a row.
mx::array exclude_top_choices(const mx::array& keep, const mx::array& sorted, const mx::array& order,
                              const mx::array& threshold, const std::vector<int32_t>& exempt, mx::Stream s) {
  const mx::array share = mx::softmax(mx::where(keep, sorted, mx::array(-kInfinity), s), 1, true, s);
  const mx::array top = mx::logical_and(keep, mx::greater(share, threshold, s), s);
  const mx::array number = mx::cumsum(mx::astype(top, mx::int32, s), 1, false, true, std::nullopt, s);
  mx::array goes = mx::logical_and(top, mx::less(number, mx::max(number, 1, true, s), s), s);
  const mx::array ids(exempt.data(), {keep.shape(0), 1, SAMPLE_EXEMPTIONS});
  const mx::array spared = mx::any(mx::equal(mx::expand_dims(mx::astype(order, mx::int32, s), 2, s), ids, s), 2, false, s);
  return mx::logical_and(keep, mx::logical_or(mx::logical_not(goes, s), spared, s), s);
}

}  // namespace

mx::array sample_arrays(const mx::array& logits, const int32_t* words, int rows, mx::Stream s) {
  const int vocabulary = logits.shape(1);
  const Rows r = read_rows(words, rows, vocabulary);
  const mx::array greedy = mx::argmax(logits, 1, true, s);
  auto token = [&](const mx::array& a) { return mx::astype(mx::squeeze(a, 1, s), mx::int32, s); };
  if (!r.sampled) return token(greedy);
  auto column = [&](const auto& v) { return mx::array(v.data(), {rows, 1}); };
  const mx::array inverse = column(r.inverse_temperature);
  const mx::array below = mx::subtract(logits, mx::max(logits, 1, true, s), s);
  const mx::array scores = mx::add(mx::multiply(below, inverse, s), noise(r, rows, vocabulary, s), s);
  mx::array chosen = greedy;
  if (r.filtered) {
    // On the distribution at temperature 1, in descending order: the first top_k tokens, those before which less than
    // top_p lies, and those with at least min_p of the first one's probability. The first always stays.
    const mx::array order = mx::argsort(mx::negative(below, s), 1, s);
    const mx::array sorted = mx::take_along_axis(below, order, 1, s);
    const mx::array rank = mx::expand_dims(mx::arange(0, vocabulary, mx::int32, s), 0, s);
    const mx::array before = mx::cumsum(mx::softmax(sorted, 1, true, s), 1, false, false, std::nullopt, s);
    mx::array keep = mx::logical_and(mx::less(rank, column(r.top_k), s), mx::less(before, column(r.top_p), s), s);
    keep = mx::logical_and(keep, mx::greater_equal(sorted, column(r.log_min_p), s), s);
    keep = mx::logical_or(keep, mx::equal(rank, mx::array(0), s), s);
    if (r.typical) keep = keep_typical(keep, below, order, column(r.typical_p), s);
    if (r.xtc) keep = exclude_top_choices(keep, sorted, order, column(r.xtc_threshold), r.exempt, s);
    const mx::array kept = mx::where(keep, mx::take_along_axis(scores, order, 1, s), mx::array(-kInfinity), s);
    chosen = mx::take_along_axis(order, mx::argmax(kept, 1, true, s), 1, s);
  } else {
    chosen = mx::argmax(scores, 1, true, s);
  }
  return token(mx::where(mx::greater(inverse, mx::array(0.0f), s), chosen, greedy, s));
}

}  // namespace mj
