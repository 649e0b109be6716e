// The sampler: kept sets as mlx-lm defines them, frequencies, and equal tokens on every path.
#include <map>
#include <numeric>

#include "check.h"

namespace mj::test {
namespace {

struct Drawn { std::vector<int32_t> tokens; std::vector<float> logprobs; };

Drawn draw(Context& c, const std::vector<float>& logits, int vocabulary, const std::vector<SampleRow>& rows) {
  Drawn d{std::vector<int32_t>(rows.size(), -1), std::vector<float>(rows.size())};
  sample(c, logits.data(), int(rows.size()), vocabulary, rows.data(), d.tokens.data(), d.logprobs.data());
  return d;
}

// Tokens that mlx-lm's filters keep.
std::vector<bool> kept(const float* x, int n, const SampleRow& row) {
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x[a] > x[b]; });
  double total = 0, before = 0;
  for (int i = 0; i < n; i++) total += std::exp(double(x[i]) - x[order[0]]);
  std::vector<bool> keep(n, true);
  for (int i = 0; i < n; i++) {
    const double p = std::exp(double(x[order[i]]) - x[order[0]]) / total;
    if (row.top_p > 0 && row.top_p < 1 && before >= row.top_p) keep[order[i]] = false;
    if (row.min_p > 0 && x[order[i]] < x[order[0]] + std::log(row.min_p)) keep[order[i]] = false;
    if (row.top_k > 0 && i >= row.top_k) keep[order[i]] = false;
    before += p;
  }
  return keep;
}

TEST("temperature zero takes the first of the largest logits, and its log-probability is that of temperature one", [] {
  for (auto& isa : isas()) {
    auto c = context(isa);
    for (int n : {1, 5, 16, 17, 1000, 5001}) {
      auto x = normal(n, n, 3);
      const int at = n * 2 / 3;
      x[at] = x[n - 1] = 30;
      auto d = draw(*c, x, n, {{0, 0.5f, 0.1f, 3, 1, 1}});
      double total = 0;
      for (float v : x) total += std::exp(double(v) - 30);
      CHECK(d.tokens[0] == at, "%s %d: %d", isa.c_str(), n, d.tokens[0]);
      CHECK(std::fabs(d.logprobs[0] + std::log(total)) < 1e-6, "%s %d", isa.c_str(), n);
    }
  }
})

TEST("tokens do not depend on the instruction set, the threads or the company", [] {
  const int n = 4099;
  std::vector<SampleRow> rows;
  std::vector<float> logits;
  for (int i = 0; i < 60; i++) {
    auto x = normal(n, i, i % 4 == 3 ? 0.01f : 4);
    if (i % 5 == 1) for (int j = 0; j < n; j += 3) x[j] = -INFINITY;
    logits.insert(logits.end(), x.begin(), x.end());
    const float top_p = i % 3 ? 0.9f : 1.f, min_p = i % 4 == 1 ? 0.02f : 0.f;
    rows.push_back({0.2f + 0.03f * i, top_p, min_p, i % 2 ? 0 : 40, uint64_t(i) << 33, i});
  }
  Drawn first;
  for (auto& isa : isas())
    for (int threads : {1, 2, 3}) {
      auto c = context(isa, threads);
      auto all = draw(*c, logits, n, rows);
      if (first.tokens.empty()) first = all;
      CHECK(all.tokens == first.tokens, "%s %d threads", isa.c_str(), threads);
      CHECK(same_bits(all.logprobs.data(), first.logprobs.data(), rows.size()), "%s", isa.c_str());
      for (size_t r = 0; r < rows.size(); r += 7) {
        std::vector<float> alone(logits.begin() + r * n, logits.begin() + (r + 1) * n);
        CHECK(draw(*c, alone, n, {rows[r]}).tokens[0] == first.tokens[r]);
      }
    }
})

TEST("draws stay inside the kept set, reach all of it, and follow its probabilities", [] {
  auto c = context("auto");
  struct Case { int n; float spread; SampleRow row; };
  for (auto& [n, spread, row] : {Case{12, 1, {1, 1, 0, 0, 1, 0}}, {40, 1, {0.7f, 0.8f, 0, 0, 2, 0}},
                                 {50, 1.5f, {1.5f, 1, 0.2f, 0, 3, 0}}, {50, 1, {1, 1, 0, 5, 4, 0}},
                                 {64, 2, {1, 0.9f, 0.01f, 9, 5, 0}}, {3, 1, {1, 0.6f, 0, 0, 6, 0}}}) {
    auto x = normal(n, 77, spread);
    const int draws = 40000;
    std::vector<SampleRow> rows(draws, row);
    std::vector<float> logits;
    for (int i = 0; i < draws; i++) rows[i].position = i, logits.insert(logits.end(), x.begin(), x.end());
    std::vector<int> count(n);
    for (int t : draw(*c, logits, n, rows).tokens) count[t]++;
    auto keep = kept(x.data(), n, row);
    double total = 0, chi = 0;
    int free = -1;
    for (int i = 0; i < n; i++) total += keep[i] ? std::exp(x[i] / row.temperature) : 0;
    for (int i = 0; i < n; i++) {
      CHECK(keep[i] || !count[i], "token %d is not kept", i);
      const double expected = keep[i] ? draws * std::exp(x[i] / row.temperature) / total : 0;
      if (expected > 5) chi += (count[i] - expected) * (count[i] - expected) / expected, free++;
    }
    CHECK(chi < free + 4 * std::sqrt(2.0 * free + 1), "chi square %g of %d", chi, free);
  }
})

TEST("wide and flat distributions keep what a full sort keeps", [] {
  auto c = context("auto");
  for (float spread : {0.f, 0.001f, 1.f, 5.f})
    for (float top_p : {0.05f, 0.5f, 0.95f, 0.999f})
      for (int top_k : {0, 700}) {
        const int n = 3000;
        auto x = normal(n, 5, spread);
        SampleRow row{50, top_p, 0, top_k, 9, 0};  // hot: all kept tokens are nearly equal
        auto keep = kept(x.data(), n, row);
        std::vector<SampleRow> rows(60, row);
        std::vector<float> logits;
        for (int i = 0; i < 60; i++) rows[i].position = i, logits.insert(logits.end(), x.begin(), x.end());
        for (int t : draw(*c, logits, n, rows).tokens)
          CHECK(keep[t], "spread %g top_p %g top_k %d", spread, top_p, top_k);
      }
})

TEST("every seed and position draws anew, and the same again", [] {
  auto c = context("auto");
  const int n = 20000;
  auto x = normal(n, 1, 0.1f);
  std::map<int, int> seen;
  for (uint64_t seed : {0ull, 1ull, 1ull << 32, ~0ull})
    for (int position = 0; position < 100; position++) {
      auto a = draw(*c, x, n, {{1, 1, 0, 0, seed, position}}), b = draw(*c, x, n, {{1, 1, 0, 0, seed, position}});
      CHECK(a.tokens == b.tokens);
      seen[a.tokens[0]]++;
    }
  CHECK(seen.size() > 380, "%zu different of 400", seen.size());
})

}  // namespace
}  // namespace mj::test
