// Logit bias and penalties against their definition, token by token.
#include <bit>
#include <map>

#include "../opcodes.h"
#include "check.h"

namespace mj::test {
namespace {

struct Entry { float bias = 0; int count = 0; bool repeated = false; };

std::vector<int32_t> words_of(const std::map<int, Entry>& entries) {
  std::vector<int32_t> words;
  for (auto& [token, e] : entries)
    words.insert(words.end(), {token, std::bit_cast<int32_t>(e.bias), e.count, e.repeated});
  return words;
}

TEST("bias, then repetition, presence and frequency, as defined; other tokens keep their logit", [] {
  auto c = context("auto", 2);
  const int n = 1009, rows = 24;
  std::vector<float> logits;
  std::vector<std::map<int, Entry>> entries(rows);
  std::vector<std::vector<int32_t>> words;
  std::vector<AdjustRow> parameters;
  for (int r = 0; r < rows; r++) {
    auto x = normal(n, r, 4);
    logits.insert(logits.end(), x.begin(), x.end());
    for (int i = 0; i < r * 3; i++) entries[r][i * 37 % n] = {i % 3 ? 0.5f * i : 0.f, i % 4, i % 2 == 0};
    if (r % 5 == 1) entries[r][7].bias = -INFINITY;
    words.push_back(words_of(entries[r]));
    // Pending: none, a token with an entry, a token without one.
    const int pending = r % 3 == 0 ? -1 : r % 3 == 1 ? 37 : 1000;
    parameters.push_back({r % 2 ? 1.3f : 1.f, 0.25f * (r % 4), r % 4 ? 0.125f : -0.5f, pending, nullptr,
                          int(entries[r].size())});
  }
  for (int r = 0; r < rows; r++) parameters[r].entries = words[r].data();
  std::vector<float> y(logits.size());
  adjust(*c, logits.data(), rows, n, parameters.data(), y.data());
  for (int r = 0; r < rows; r++)
    for (int t = 0; t < n; t++) {
      const AdjustRow& p = parameters[r];
      Entry e = entries[r].count(t) ? entries[r][t] : Entry{};
      if (t == p.pending) e.count++, e.repeated = true;
      float l = logits[size_t(r) * n + t] + e.bias;
      if (e.repeated) l = l < 0 ? l * p.repetition : l / p.repetition;
      if (e.count > 0) l -= p.presence;
      l -= p.frequency * float(e.count);
      CHECK(y[size_t(r) * n + t] == l, "row %d token %d: %g, not %g", r, t, y[size_t(r) * n + t], l);
    }
})

}  // namespace
}  // namespace mj::test
