// Grammar masks: a copy of the logits in which forbidden tokens are minus infinity.
#include <algorithm>
#include <cstring>
#include <limits>

#include "context.h"

namespace mj::cpu {

void mask(Context& c, const float* logits, int rows, int vocabulary, const MaskRow* masks, int count, float* y) {
  c.pool.run(rows, [&](int r, int) {
    const float* x = logits + size_t(r) * vocabulary;
    float* out = y + size_t(r) * vocabulary;
    const MaskRow* own = std::lower_bound(masks, masks + count, r, [](auto& m, int row) { return m.row < row; });
    if (own == masks + count || own->row != r) {
      std::memcpy(out, x, size_t(vocabulary) * sizeof(float));
      return;
    }
    constexpr float forbidden = -std::numeric_limits<float>::infinity();
    for (int t = 0; t < vocabulary; t += 32) {
      const uint32_t bits = uint32_t(own->words[t / 32]);
      const int end = std::min(t + 32, vocabulary);
      for (int i = t; i < end; i++) out[i] = bits >> (i - t) & 1 ? x[i] : forbidden;
    }
  });
}

}  // namespace mj::cpu
