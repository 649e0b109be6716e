// Rotation, append and attention over KV blocks against double precision, and to the bit against each other.
#include "check.h"

namespace mj::test {
namespace {

struct Shape {
  int query_heads, kv_heads, head_dim, rope_dims, mode, window;
  float softcap;
  bool sinks, norms;
};
constexpr Shape kShapes[] = {
    {9, 3, 64, 64, 2, 0, 0, false, false},    {4, 4, 32, 32, 1, 0, 0, false, true},
    {8, 1, 80, 20, 1, 70, 0, false, false},   {8, 2, 128, 128, 1, 0, 30, true, true},
    {6, 2, 24, 8, 2, 5, 0, true, false},      {14, 2, 64, 64, 1, 0, 0, false, false},
    {2, 1, 256, 64, 1, 130, 50, false, true}, {3, 3, 16, 0, 0, 0, 0, false, false}};

struct Model {
  Shape s;
  std::vector<float> frequencies, q_norm, k_norm, sinks;
  explicit Model(const Shape& shape)
      : s(shape), q_norm(normal(shape.head_dim, 71)), k_norm(normal(shape.head_dim, 72)),
        sinks(normal(shape.query_heads, 73)) {
    for (int i = 0; i < s.rope_dims / 2; i++) frequencies.push_back(std::pow(10000.f, -2.f * i / s.rope_dims));
  }
  RopeParameters rope() const {
    return {s.query_heads, s.kv_heads, s.head_dim, s.rope_dims, s.mode, frequencies.data(), 1.1f,
            s.norms ? q_norm.data() : nullptr, s.norms ? k_norm.data() : nullptr, 1, 1e-6f};
  }
  AttentionParameters attention() const {
    return {s.query_heads, s.kv_heads, s.head_dim, s.window, 0.2f, s.softcap, s.sinks ? sinks.data() : nullptr};
  }
  int width() const { return (s.query_heads + 2 * s.kv_heads) * s.head_dim; }
  int out() const { return s.query_heads * s.head_dim; }
};

std::vector<double> turned(const Model& m, const float* x, int position, const float* norm) {
  const int d = m.s.head_dim, half = m.s.mode ? m.s.rope_dims / 2 : 0;
  std::vector<double> v(x, x + d), r;
  if (norm) {
    double sum = 0;
    for (double e : v) sum += e * e;
    for (int i = 0; i < d; i++) v[i] *= (1 + double(norm[i])) / std::sqrt(sum / d + 1e-6);
  }
  r = v;
  for (int i = 0; i < half; i++) {
    const int a = m.s.mode == 1 ? i : 2 * i, b = m.s.mode == 1 ? i + half : 2 * i + 1;
    const double angle = double(position) * m.frequencies[i], c = std::cos(angle) * 1.1f, s = std::sin(angle) * 1.1f;
    r[a] = v[a] * c - v[b] * s;
    r[b] = v[a] * s + v[b] * c;
  }
  return r;
}

// Attention of one sequence of qkv rows at positions 0 .. n - 1, in double precision.
std::vector<double> reference(const Model& m, const std::vector<float>& qkv, int n) {
  const auto& s = m.s;
  const int d = s.head_dim, group = s.query_heads / s.kv_heads;
  std::vector<double> y;
  std::vector<std::vector<double>> keys;
  for (int j = 0; j < n; j++)
    for (int h = 0; h < s.kv_heads; h++)
      keys.push_back(turned(m, &qkv[size_t(j) * m.width() + (s.query_heads + h) * d], j,
                            s.norms ? m.k_norm.data() : nullptr));
  for (int p = 0; p < n; p++)
    for (int h = 0; h < s.query_heads; h++) {
      auto q = turned(m, &qkv[size_t(p) * m.width() + h * d], p, s.norms ? m.q_norm.data() : nullptr);
      const int first = s.window ? std::max(0, p - s.window + 1) : 0, kv = h / group;
      std::vector<double> w, o(d);
      double top = s.sinks ? m.sinks[h] : -1e300, sum = 0;
      for (int j = first; j <= p; j++) {
        double dot = 0;
        for (int i = 0; i < d; i++) dot += q[i] * keys[size_t(j) * s.kv_heads + kv][i];
        dot *= 0.2f;
        w.push_back(s.softcap ? s.softcap * std::tanh(dot / s.softcap) : dot);
        top = std::max(top, w.back());
      }
      if (s.sinks) sum = std::exp(m.sinks[h] - top);
      for (int j = first; j <= p; j++) {
        const double e = std::exp(w[j - first] - top);
        sum += e;
        for (int i = 0; i < d; i++)
          o[i] += e * qkv[size_t(j) * m.width() + (s.query_heads + s.kv_heads + kv) * d + i];
      }
      for (double v : o) y.push_back(v / sum);
    }
  return y;
}

// Runs rows [first, first + rows) of each sequence as one step.
struct Part { int handle, first, rows; const std::vector<float>* qkv; };
std::vector<float> step(Context& c, KvStore& store, const Model& m, const std::vector<Part>& parts, int layer) {
  std::vector<float> qkv;
  std::vector<Segment> segments;
  int row = 0;
  for (auto& p : parts) {
    segments.push_back(kv_reserve(store, p.handle, row, p.rows, p.first));
    qkv.insert(qkv.end(), p.qkv->begin() + size_t(p.first) * m.width(),
               p.qkv->begin() + size_t(p.first + p.rows) * m.width());
    row += p.rows;
  }
  for (auto& s : segments) kv_apply_copies(store, s);
  std::vector<float> q(size_t(row) * m.out(), NAN), y(size_t(row) * m.out(), NAN);
  rope_append(c, store, qkv.data(), segments, layer, m.rope(), q.data());
  attend(c, store, q.data(), segments, layer, m.attention(), y.data());
  return y;
}

KvStorePtr store_of(const Model& m, size_t bytes = size_t(64) << 20) {
  return make_kv_store({2, m.s.kv_heads, m.s.head_dim, bytes});
}

TEST("attention agrees with double precision for every shape", [] {
  for (auto& isa : isas())
    for (auto& shape : kShapes) {
      Model m(shape);
      auto c = context(isa, 2);
      auto store = store_of(m);
      const int n = 147;
      auto qkv = normal(size_t(n) * m.width(), 8);
      auto y = step(*c, *store, m, {{kv_open(*store), 0, n, &qkv}}, 1);
      const double e = relative_error(y, reference(m, qkv, n));
      CHECK(e < 2e-6, "%s head dim %d window %d: %g", isa.c_str(), shape.head_dim, shape.window, e);
    }
})

TEST("a row's attention is the same in one prefill, in chunks, token by token, in company and on any threads", [] {
  for (auto& isa : isas())
    for (auto& shape : kShapes) {
      Model m(shape);
      const int n = 139, other = 50;
      auto qkv = normal(size_t(n) * m.width(), 9), company = normal(size_t(n) * m.width(), 10);
      std::vector<float> whole;
      int turn = 0;
      for (int chunk : {139, 1, 7, 64, 65, 100}) {
        auto c = context(isa, turn++ % 3 + 1);
        auto store = store_of(m);
        const int a = kv_open(*store), b = kv_open(*store);
        std::vector<float> all;
        for (int p = 0; p < n; p += chunk) {
          std::vector<Part> parts;
          const bool first = p == 0 && chunk != 139;
          if (first) parts.push_back({b, 0, other, &company});
          parts.push_back({a, p, std::min(chunk, n - p), &qkv});
          auto y = step(*c, *store, m, parts, 0);
          all.insert(all.end(), y.begin() + (first ? size_t(other) * m.out() : 0), y.end());
        }
        if (whole.empty()) whole = all;
        CHECK(same_bits(whole.data(), all.data(), whole.size()), "%s head dim %d chunk %d", isa.c_str(),
              shape.head_dim, chunk);
      }
    }
})

TEST("a fork continues like its origin, and neither sees what the other writes", [] {
  for (int cut : {1, 63, 64, 65, 100}) {
    Model m(kShapes[0]);
    auto c = context("auto", 2);
    auto store = store_of(m);
    const int n = 130;
    auto x = normal(size_t(n) * m.width(), 11), y = x;
    for (size_t i = size_t(cut) * m.width(); i < y.size(); i++) y[i] = -y[i];
    const int a = kv_open(*store);
    step(*c, *store, m, {{a, 0, 100, &x}}, 0);
    const int b = kv_fork(*store, a, cut);
    auto out = step(*c, *store, m, {{a, 100, 30, &x}, {b, cut, n - cut, &y}}, 0);
    auto alone = store_of(m);
    const int d = kv_open(*alone), e = kv_open(*alone);
    step(*c, *alone, m, {{d, 0, 100, &x}, {e, 0, cut, &x}}, 0);
    auto expected = step(*c, *alone, m, {{d, 100, 30, &x}, {e, cut, n - cut, &y}}, 0);
    CHECK(same_bits(out.data(), expected.data(), out.size()), "cut %d", cut);
  }
})

TEST("positions rewritten after a truncation leave no trace, whoever used the block before", [] {
  Model m(kShapes[0]);
  auto c = context("auto");
  auto store = store_of(m);
  const int n = 90;
  auto x = normal(size_t(n) * m.width(), 12);
  auto poison = std::vector<float>(x.size(), NAN);
  const int bad = kv_open(*store);
  step(*c, *store, m, {{bad, 0, n, &poison}}, 0);
  kv_close(*store, bad);
  const int a = kv_open(*store);
  auto first = step(*c, *store, m, {{a, 0, n, &x}}, 0);
  for (float v : first) CHECK(std::isfinite(v));
  kv_truncate(*store, a, 40);
  auto again = step(*c, *store, m, {{a, 40, n - 40, &x}}, 0);
  CHECK(same_bits(first.data() + size_t(40) * m.out(), again.data(), again.size()));
})

}  // namespace
}  // namespace mj::test
