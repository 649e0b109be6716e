// GMAC/s of the products and of attention on one thread, by process CPU time (best of a few), for the shapes of the
// project's tuning notes. The last line is one JSON document.
#include <ctime>

#include "weights.h"

namespace mj::test {
namespace {

double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

// Seconds of one call: the best of `rounds` rounds of about 15 ms.
template <class F> double best(F f, int rounds = 4) {
  f();
  double t = now();
  f();
  const int calls = std::max(1, int(0.015 / std::max(now() - t, 1e-7)));
  double least = 1e9;
  for (int r = 0; r < rounds; r++) {
    t = now();
    for (int i = 0; i < calls; i++) f();
    least = std::min(least, (now() - t) / calls);
  }
  return least;
}

std::vector<std::string> results;
void report(const std::string& what, double value, const char* unit) {
  printf("%-58s %8.1f %s\n", what.c_str(), value, unit);
  char text[200];
  snprintf(text, sizeof text, "{\"case\":\"%s\",\"value\":%.2f,\"unit\":\"%s\"}", what.c_str(), value, unit);
  results.push_back(text);
  fflush(stdout);
}

Weight quick_weight(int n, int k, int bits) {
  std::vector<uint32_t> w(size_t(n) * k * bits / 32, 0x12345678);
  std::vector<uint16_t> s(size_t(n) * k / 32, 0x2000);
  return {pack_affine(w.data(), s.data(), s.data(), ElementType::f16, n, k, bits, 32), {}};
}

void products(const std::string& isa) {
  struct Shape { int n, k, bits; };
  for (auto [n, k, bits] : {Shape{960, 576, 4}, {3072, 576, 4}, {576, 1536, 4}, {49152, 576, 8}, {4096, 4096, 4},
                            {2048, 2048, 16}}) {
    std::vector<uint16_t> ones(bits == 16 ? size_t(n) * k : 0, 0x3f80);
    Weight w = bits == 16 ? Weight{pack_dense(ones.data(), ElementType::bf16, n, k), {}} : quick_weight(n, k, bits);
    for (auto numeric : {Numeric::fp32, Numeric::int8x2, Numeric::int8}) {
      if (bits == 16 && numeric != Numeric::fp32) continue;
      auto c = context(isa, 1, numeric);
      for (int rows : {1, 8, 64, 256}) {
        if (n > 10000 && rows > 64) continue;
        auto x = normal(size_t(rows) * k, 1);
        std::vector<float> y(size_t(rows) * n);
        const double t = best([&] { linear(*c, x.data(), rows, *w.matrix, nullptr, nullptr, y.data()); });
        static const char* names[] = {"fp32", "int8x2", "int8"};
        char text[100];
        snprintf(text, sizeof text, "%s %s %dx%d %d-bit M=%d", isa.c_str(), names[int(numeric)], n, k, bits, rows);
        report(text, double(n) * k * rows / t * 1e-9, "GMAC/s");
        if (rows == 1) report(std::string(text) + " read", matrix_bytes(*w.matrix) / t * 1e-9, "GB/s");
      }
    }
  }
}

void attention(const std::string& isa) {
  const int heads = 9, kv = 3, d = 64;
  auto c = context(isa, 1);
  auto store = make_kv_store({1, kv, d, size_t(64) << 20});
  std::vector<float> frequencies(d / 2, 0.01f);
  for (int rows : {1, 512}) {
    const int start = 512 - rows, handle = kv_open(*store);
    if (start) kv_reserve(*store, handle, 0, start, 0);
    std::vector<Segment> segments = {kv_reserve(*store, handle, 0, rows, start)};
    auto qkv = normal(size_t(rows) * (heads + 2 * kv) * d, 1);
    std::vector<float> q(size_t(rows) * heads * d), y(q.size());
    RopeParameters r{heads, kv, d, d, 2, frequencies.data(), 1, nullptr, nullptr, 0, 1e-5f};
    const std::string tail = " rows=" + std::to_string(rows) + " of 512";
    const double append = best([&] { rope_append(*c, *store, qkv.data(), segments, 0, r, q.data()); });
    report(isa + " rope_append" + tail, append * 1e6, "us");
    AttentionParameters a{heads, kv, d, 0, 0.125f, 0, nullptr};
    const double t = best([&] { attend(*c, *store, q.data(), segments, 0, a, y.data()); });
    report(isa + " attend" + tail, (rows == 1 ? 512.0 : 512.0 * 513 / 2) * heads * d * 2 / t * 1e-9, "GMAC/s");
    kv_close(*store, handle);
  }
}

void rest(const std::string& isa) {
  auto c = context(isa, 1);
  const int n = 151936;
  auto x = normal(n, 1, 3);
  int32_t token;
  struct Case { const char* name; SampleRow row; };
  for (auto& [name, row] : {Case{"greedy", {0, 1, 0, 0, 1, 1}}, {"unfiltered", {1, 1, 0, 0, 1, 1}},
                            {"top_p 0.9", {1, 0.9f, 0, 0, 1, 1}}, {"top_k 40", {1, 1, 0, 40, 1, 1}}})
    report(isa + " sample 151936 " + name, best([&] { sample(*c, x.data(), 1, n, &row, &token, nullptr); }) * 1e6,
           "us");
  const int rows = 256, f = 1536;
  auto gu = normal(size_t(rows) * 2 * f, 2);
  std::vector<float> y(size_t(rows) * f);
  report(isa + " gated 256 x 1536", best([&] { gated(*c, gu.data(), rows, f, Activation::silu, y.data()); }) * 1e6,
         "us");
  auto w = normal(576, 3);
  report(isa + " rms_norm 256 x 576",
         best([&] { rms_norm(*c, gu.data(), rows, 576, w.data(), 0, 1e-5f, y.data()); }) * 1e6, "us");
  auto e = quick_weight(49152, 576, 8);
  std::vector<int32_t> ids(512);
  for (int i = 0; i < 512; i++) ids[i] = i * 95;
  std::vector<float> rows_of(size_t(512) * 576);
  report(isa + " embed 512 x 576 8-bit",
         best([&] { embed(*c, ids.data(), 512, *e.matrix, 0, matrix_rows(*e.matrix), 1, rows_of.data()); }) * 1e6, "us");
}

}  // namespace
}  // namespace mj::test

int main(int argc, char** argv) {
  using namespace mj::test;
  for (auto& isa : isas()) {
    if (argc > 1 ? isa != argv[1] : isa == "scalar") continue;
    attention(isa);
    rest(isa);
    products(isa);
  }
  printf("[");
  for (size_t i = 0; i < results.size(); i++) printf("%s%s", i ? "," : "", results[i].c_str());
  printf("]\n");
}
