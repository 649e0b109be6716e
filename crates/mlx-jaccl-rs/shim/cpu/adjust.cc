// Logit bias and penalties: a copy of the logits in which the few tokens that have an entry are changed.
#include <bit>
#include <cstring>

#include "../opcodes.h"
#include "context.h"

namespace mj::cpu {
namespace {

float adjusted(float logit, const AdjustRow& row, float bias, bool repeated, int count) {
  float l = logit + bias;
  if (repeated) l = l < 0 ? l * row.repetition : l / row.repetition;
  if (count > 0) l -= row.presence;
  return l - row.frequency * float(count);
}

}  // namespace

void adjust(Context& c, const float* logits, int rows, int vocabulary, const AdjustRow* parameters, float* y) {
  c.pool.run(rows, [&](int r, int) {
    const AdjustRow& row = parameters[r];
    const float* x = logits + size_t(r) * vocabulary;
    float* out = y + size_t(r) * vocabulary;
    std::memcpy(out, x, size_t(vocabulary) * sizeof(float));
    // An entry of the pending token, if there is one, writes the same place again.
    if (row.pending >= 0) out[row.pending] = adjusted(x[row.pending], row, 0, true, 1);
    for (int i = 0; i < row.count; i++) {
      const int32_t* e = row.entries + size_t(i) * ENTRY_WORDS;
      const bool pending = e[ENTRY_TOKEN] == row.pending;
      out[e[ENTRY_TOKEN]] = adjusted(x[e[ENTRY_TOKEN]], row, std::bit_cast<float>(e[ENTRY_BIAS]),
                                     pending || e[ENTRY_REPEATED], e[ENTRY_COUNT] + pending);
    }
  });
}

}  // namespace mj::cpu
