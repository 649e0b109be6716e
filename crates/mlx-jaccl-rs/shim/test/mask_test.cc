// Grammar masks: rows that are named lose the tokens without a bit, the others stay.
#include "check.h"

namespace mj::test {
namespace {

TEST("a masked row keeps the tokens of its bits, the other rows all", [] {
  auto c = context("auto", 2);
  for (int n : {1, 31, 32, 33, 1009}) {
    const int rows = 5, words = (n + 31) / 32;
    auto x = normal(size_t(rows) * n, n, 4);
    std::vector<int32_t> bits(size_t(rows) * words);
    for (size_t i = 0; i < bits.size(); i++) bits[i] = int32_t(0x9E3779B9u * (i + 1));
    std::vector<MaskRow> masks;
    for (int r : {0, 3, 4}) masks.push_back({r, bits.data() + size_t(r) * words});
    std::vector<float> y(x.size());
    mask(*c, x.data(), rows, n, masks.data(), int(masks.size()), y.data());
    for (int r = 0; r < rows; r++)
      for (int t = 0; t < n; t++) {
        const bool masked = r == 0 || r > 2;
        const bool kept = !masked || (uint32_t(bits[size_t(r) * words + t / 32]) >> (t % 32) & 1);
        const float want = kept ? x[size_t(r) * n + t] : -INFINITY;
        CHECK(y[size_t(r) * n + t] == want, "row %d token %d of %d", r, t, n);
      }
  }
})

}  // namespace
}  // namespace mj::test
