// Matrix products and embedding rows against double precision, and to the bit against each other.
#include "weights.h"

namespace mj::test {
namespace {

struct Product {
  std::vector<float> y;
  std::vector<double> expected;
};

Product product(Context& c, const Weight& w, int rows, bool extras, uint32_t seed) {
  const int n = matrix_rows(*w.matrix), k = matrix_columns(*w.matrix);
  auto x = normal(size_t(rows) * k, seed), bias = normal(n, seed + 1), residual = normal(size_t(rows) * n, seed + 2);
  Product p{std::vector<float>(size_t(rows) * n, NAN), {}};
  if (extras) p.y = residual;  // residual may be y
  linear(c, x.data(), rows, *w.matrix, extras ? bias.data() : nullptr, extras ? p.y.data() : nullptr, p.y.data());
  for (int r = 0; r < rows; r++)
    for (int o = 0; o < n; o++) {
      double s = extras ? double(bias[o]) + residual[size_t(r) * n + o] : 0;
      for (int i = 0; i < k; i++) s += w.values[size_t(o) * k + i] * x[size_t(r) * k + i];
      p.expected.push_back(s);
    }
  return p;
}

constexpr ElementType kTypes[] = {ElementType::f32, ElementType::f16, ElementType::bf16};

std::vector<Weight> weights_of_all_kinds(uint32_t seed) {
  std::vector<Weight> all;
  for (int bits : {2, 3, 4, 5, 6, 8})
    for (int group : {32, 64, 128})
      all.push_back(affine_weight(33 + bits, 256, bits, group, kTypes[(bits + group / 32) % 3], seed++));
  for (auto type : kTypes) {
    all.push_back(affine_weight(17, 128, 4, 64, type, seed++));
    all.push_back(affine_weight(16, 128, 8, 64, type, seed++));
    all.push_back(dense_weight(35, 101, type, seed++));
    all.push_back(dense_weight(1, 7, type, seed++));
    all.push_back(dense_weight(64, 128, type, seed++));
  }
  all.push_back(mxfp4_weight(41, 160, seed++));
  return all;
}

TEST("a product agrees with double precision for every format and number of rows", [] {
  auto weights = weights_of_all_kinds(1);
  for (auto& isa : isas())
    for (auto numeric : {Numeric::fp32, Numeric::int8x2, Numeric::int8}) {
      auto c = context(isa, 2, numeric);
      const double limit = numeric == Numeric::fp32 ? 2e-6 : numeric == Numeric::int8x2 ? 4e-5 : 1e-2;
      uint32_t seed = 100;
      for (auto& w : weights)
        for (int rows : {1, 2, 3, 5, 13, 31}) {
          auto p = product(*c, w, rows, rows % 2, seed++);
          const double e = relative_error(p.y, p.expected);
          CHECK(e < limit, "%s numeric %d n %d k %d rows %d: %g", isa.c_str(), int(numeric), matrix_rows(*w.matrix),
                matrix_columns(*w.matrix), rows, e);
        }
    }
})

TEST("a row's product is the same alone, in every batch, chunk and number of threads", [] {
  auto weights = weights_of_all_kinds(50);
  for (auto& isa : isas())
    for (auto numeric : {Numeric::fp32, Numeric::int8x2, Numeric::int8}) {
      ContextPtr contexts[] = {context(isa, 1, numeric), context(isa, 2, numeric), context(isa, 3, numeric)};
      for (auto& w : weights) {
        const int n = matrix_rows(*w.matrix), k = matrix_columns(*w.matrix), rows = 65;
        auto x = normal(size_t(rows) * k, 7);
        std::vector<float> whole(size_t(rows) * n), part(size_t(rows) * n);
        linear(*contexts[0], x.data(), rows, *w.matrix, nullptr, nullptr, whole.data());
        int turn = 0;
        for (int size : {1, 2, 3, 4, 7, 12, 17, 64, 65}) {
          for (int r = 0; r < rows; r += size) {
            const int count = std::min(size, rows - r);
            linear(*contexts[turn++ % 3], x.data() + size_t(r) * k, count, *w.matrix, nullptr, nullptr,
                   part.data() + size_t(r) * n);
          }
          CHECK(same_bits(whole.data(), part.data(), whole.size()), "%s numeric %d n %d k %d chunk %d", isa.c_str(),
                int(numeric), n, k, size);
        }
      }
    }
})

TEST("instruction sets with FMA give equal bits", [] {
  std::vector<std::string> with_fma;
  for (auto& isa : isas()) if (isa != "scalar") with_fma.push_back(isa);
  for (auto& w : weights_of_all_kinds(90))
    for (auto numeric : {Numeric::fp32, Numeric::int8x2}) {
      std::vector<float> first;
      for (auto& isa : with_fma) {
        auto p = product(*context(isa, 1, numeric), w, 9, true, 3);
        if (first.empty()) first = p.y;
        CHECK(same_bits(first.data(), p.y.data(), first.size()), "%s", isa.c_str());
      }
    }
})

TEST("an activation row of zeros, of one large value or of tiny values has an exact or close product", [] {
  auto w = affine_weight(20, 64, 4, 32, ElementType::f16, 5);
  for (auto& isa : isas()) {
    auto c = context(isa);
    std::vector<float> x(4 * 64, 0.f), y(4 * 20);
    x[64] = 1e8f;
    for (int i = 0; i < 64; i++) x[128 + i] = 1e-20f, x[192 + i] = i % 2 ? -1.f : 1.f;
    linear(*c, x.data(), 4, *w.matrix, nullptr, nullptr, y.data());
    for (int r = 0; r < 4; r++)
      for (int o = 0; o < 20; o++) {
        double s = 0, size = 0;
        for (int i = 0; i < 64; i++) {
          s += w.values[o * 64 + i] * x[r * 64 + i];
          size += std::fabs(double(x[r * 64 + i]));
        }
        CHECK(std::fabs(y[r * 20 + o] - s) <= 1e-5 * size, "%s row %d: %g, not %g", isa.c_str(), r, y[r * 20 + o], s);
      }
  }
})

TEST("an embedding is a row of the weight times the scale", [] {
  for (auto& w : weights_of_all_kinds(200)) {
    const int n = matrix_rows(*w.matrix), k = matrix_columns(*w.matrix);
    auto c = context("auto", 2);
    std::vector<int32_t> ids;
    for (int i = 0; i < 40; i++) ids.push_back(i * 7 % n);
    std::vector<float> y(ids.size() * k);
    embed(*c, ids.data(), int(ids.size()), *w.matrix, 0, n, 3, y.data());
    double worst = 0;
    for (size_t r = 0; r < ids.size(); r++)
      for (int i = 0; i < k; i++)
        worst = std::max(worst, std::fabs(y[r * k + i] - 3 * w.values[size_t(ids[r]) * k + i]));
    CHECK(worst < 1e-5, "%g", worst);
    // The same rows as the middle part of a larger table, which others hold the rest of.
    std::vector<int32_t> moved = ids;
    for (auto& id : moved) id += 5;
    moved[0] = 4, moved[1] = n + 5;
    std::vector<float> part(y.size());
    embed(*c, moved.data(), int(moved.size()), *w.matrix, 5, n + 6, 3, part.data());
    std::fill_n(y.begin(), 2 * k, 0.0f);
    CHECK(part == y, "%d rows of another table", n);
    ids[3] = n;
    CHECK_THROWS(std::out_of_range, embed(*c, ids.data(), int(ids.size()), *w.matrix, 0, n, 1, y.data()));
  }
})

TEST("a weight of impossible shape is refused", [] {
  uint32_t words[64] = {};
  float scales[8] = {};
  CHECK_THROWS(std::invalid_argument, pack_affine(words, scales, scales, ElementType::f32, 1, 64, 7, 32));
  CHECK_THROWS(std::invalid_argument, pack_affine(words, scales, scales, ElementType::f32, 1, 48, 4, 32));
  CHECK_THROWS(std::invalid_argument, pack_affine(words, scales, scales, ElementType::f32, 1, 64, 4, 16));
  CHECK_THROWS(std::invalid_argument, make_context({1, Numeric::fp32, "mmx"}));
})

}  // namespace
}  // namespace mj::test
