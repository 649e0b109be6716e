// Norms, activations and sums against double precision, at widths that do and do not divide by 16.
#include "check.h"

namespace mj::test {
namespace {

template <class F> void for_shapes(F f) {
  for (auto& isa : isas())
    for (int threads : {1, 2}) {
      auto c = context(isa, threads);
      for (int rows : {1, 3, 40})
        for (int width : {1, 15, 16, 33, 64, 577, 1536}) f(*c, rows, width, isa);
    }
}

TEST("rms_norm agrees with double precision, with and without weight and offset", [] {
  for_shapes([](Context& c, int rows, int width, const std::string& isa) {
    auto x = normal(size_t(rows) * width, 1, 3), w = normal(width, 2);
    for (int kind = 0; kind < 3; kind++) {
      std::vector<float> y(x.size());
      const float offset = kind == 2 ? 1 : 0;
      rms_norm(c, x.data(), rows, width, kind ? w.data() : nullptr, offset, 1e-5f, y.data());
      std::vector<double> e;
      for (int r = 0; r < rows; r++) {
        double s = 0;
        for (int i = 0; i < width; i++) s += double(x[r * width + i]) * x[r * width + i];
        for (int i = 0; i < width; i++)
          e.push_back(x[r * width + i] / std::sqrt(s / width + 1e-5) * (kind ? w[i] + double(offset) : 1));
      }
      CHECK(relative_error(y, e) < 1e-6, "%s %d x %d: %g", isa.c_str(), rows, width, relative_error(y, e));
    }
  });
})

TEST("gated activations agree with double precision", [] {
  for_shapes([](Context& c, int rows, int width, const std::string& isa) {
    auto x = normal(size_t(rows) * 2 * width, 4, 3);
    for (int kind = 0; kind < 3; kind++) {
      std::vector<float> y(size_t(rows) * width);
      gated(c, x.data(), rows, width, Activation(kind), y.data());
      double worst = 0;
      for (int r = 0; r < rows; r++)
        for (int i = 0; i < width; i++) {
          const double g = x[r * 2 * width + i], u = x[r * 2 * width + width + i];
          const double a = kind == 0   ? g / (1 + std::exp(-g))
                           : kind == 1 ? 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)))
                                       : 0.5 * g * (1 + std::erf(g / std::sqrt(2)));
          worst = std::max(worst, std::fabs(y[r * width + i] - a * u) / (1 + std::fabs(u) * (1 + std::fabs(g))));
        }
      CHECK(worst < 1e-6, "%s kind %d %d x %d: %g", isa.c_str(), kind, rows, width, worst);
    }
  });
})

TEST("sums, scales and soft caps agree with double precision", [] {
  for_shapes([](Context& c, int rows, int width, const std::string& isa) {
    const size_t n = size_t(rows) * width;
    auto a = normal(n, 5, 20), b = normal(n, 6);
    std::vector<float> y(n);
    double worst = 0;
    add(c, a.data(), b.data(), n, y.data());
    for (size_t i = 0; i < n; i++) worst = std::max(worst, std::fabs(double(y[i]) - (a[i] + b[i])));
    scale(c, a.data(), n, 0.3f, y.data());
    for (size_t i = 0; i < n; i++) worst = std::max(worst, std::fabs(double(y[i]) - a[i] * 0.3f));
    CHECK(worst == 0, "%s %g", isa.c_str(), worst);
    softcap(c, a.data(), n, 30, y.data());
    for (size_t i = 0; i < n; i++) {
      const double e = 30 * std::tanh(a[i] / 30.0);
      worst = std::max(worst, std::fabs(y[i] - e) / std::fabs(e));
    }
    CHECK(worst < 1e-6, "%s %g", isa.c_str(), worst);
  });
})

TEST("a saturated activation or cap stays finite", [] {
  for (auto& isa : isas()) {
    auto c = context(isa);
    std::vector<float> x = {1e30f, -1e30f, 200, -200, 1, 1, 1, 1}, y(4);
    for (int kind = 0; kind < 3; kind++) {
      gated(*c, x.data(), 1, 4, Activation(kind), y.data());
      CHECK(y[2] == 200 && std::fabs(y[3]) < 1e-30f, "%s kind %d: %g %g", isa.c_str(), kind, y[2], y[3]);
    }
    softcap(*c, x.data(), 4, 50, y.data());
    CHECK(y[0] == 50 && y[1] == -50, "%s %g %g", isa.c_str(), y[0], y[1]);
  }
})

}  // namespace
}  // namespace mj::test
