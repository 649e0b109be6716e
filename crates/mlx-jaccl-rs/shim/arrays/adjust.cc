// Logit bias and penalties as MLX operations, all rows at once: the definitions of opcodes.h, AdjustWord.
#include <algorithm>
#include <vector>

#include "executor.h"
#include "mlx/ops.h"

namespace mj {

mx::array adjust_arrays(const mx::array& logits, const mx::array* previous, const int32_t* words, int rows,
                        mx::Stream s) {
  // Entries as a matrix. A row with fewer repeats its first one, a row without any changes token 0 by nothing.
  int width = 1;
  const int32_t* at = words;
  for (int i = 0; i < rows; ++i, at += ADJUST_WORDS + at[ADJUST_COUNT] * ENTRY_WORDS)
    width = std::max(width, at[ADJUST_COUNT]);
  static constexpr int32_t kNothing[ENTRY_WORDS] = {0, 0, 0, 0};
  std::vector<float> repetition, presence, frequency, bias;
  std::vector<int32_t> pending, token, count, repeated;
  at = words;
  for (int i = 0; i < rows; ++i) {
    repetition.push_back(as_float(at[ADJUST_REPETITION]));
    presence.push_back(as_float(at[ADJUST_PRESENCE]));
    frequency.push_back(as_float(at[ADJUST_FREQUENCY]));
    pending.push_back(at[ADJUST_PENDING]);
    const int entries = at[ADJUST_COUNT];
    at += ADJUST_WORDS;
    for (int k = 0; k < width; ++k) {
      const int32_t* e = entries == 0 ? kNothing : at + (k < entries ? k : 0) * ENTRY_WORDS;
      token.push_back(e[ENTRY_TOKEN]);
      bias.push_back(as_float(e[ENTRY_BIAS]));
      count.push_back(e[ENTRY_COUNT]);
      repeated.push_back(e[ENTRY_REPEATED]);
    }
    at += entries * ENTRY_WORDS;
  }
  auto column = [&](const auto& v) { return mx::array(v.data(), {rows, 1}); };
  auto matrix = [&](const auto& v) { return mx::array(v.data(), {rows, width}); };
  const mx::array zero(0.0f), none(0), factor = column(repetition);
  auto changed = [&](const mx::array& logit, const mx::array& is_repeated, const mx::array& times) {
    const mx::array scaled = mx::where(mx::less(logit, zero, s), mx::multiply(logit, factor, s),
                                       mx::divide(logit, factor, s), s);
    mx::array l = mx::where(is_repeated, scaled, logit, s);
    l = mx::subtract(l, mx::where(mx::greater(times, none, s), column(presence), zero, s), s);
    return mx::subtract(l, mx::multiply(column(frequency), mx::astype(times, mx::float32, s), s), s);
  };
  const mx::array ids = matrix(token);
  mx::array times = matrix(count), again = mx::not_equal(matrix(repeated), none, s), out = logits;
  if (previous && std::any_of(pending.begin(), pending.end(), [](int32_t p) { return p >= 0; })) {
    const mx::array element = column(pending), known = mx::less(element, none, s);
    const mx::array last = mx::take(*previous, mx::maximum(element, none, s), s);
    const mx::array same = mx::logical_and(mx::equal(ids, last, s), mx::logical_not(known, s), s);
    times = mx::add(times, mx::astype(same, mx::int32, s), s);
    again = mx::logical_or(again, same, s);
    // An entry of the pending token writes the same place again; a row without one writes what its first entry does.
    const mx::array first = mx::slice(ids, mx::Shape{0, 0}, mx::Shape{rows, 1}, s);
    const mx::array place = mx::where(known, first, last, s);
    const mx::array once = changed(mx::take_along_axis(logits, place, 1, s), mx::array(true), mx::array(1));
    out = mx::put_along_axis(out, place, once, 1, s);
  }
  const mx::array entered = changed(mx::add(mx::take_along_axis(logits, ids, 1, s), matrix(bias), s), again, times);
  return mx::put_along_axis(out, ids, entered, 1, s);
}

}  // namespace mj
