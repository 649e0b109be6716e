#include "vocabulary.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace mj {

void gather_columns(Group& group, const float* x, int rows, const int32_t* widths, std::vector<float>& scratch,
                    float* out) {
  const int ranks = group.size(), own = widths[group.rank()];
  const size_t widest = *std::max_element(widths, widths + ranks);
  if (std::all_of(widths, widths + ranks, [own](int32_t width) { return width == own; }))
    return group.all_gather(x, rows, own, out);
  // A gather takes equal parts: the narrower ones are filled up with zeros.
  scratch.assign(rows * widest * (1 + ranks), 0.0f);
  for (int r = 0; r < rows; ++r) std::copy_n(x + size_t(r) * own, own, scratch.data() + r * widest);
  float* gathered = scratch.data() + rows * widest;
  group.all_gather(scratch.data(), rows, static_cast<int>(widest), gathered);
  for (size_t part = 0; part < size_t(rows) * ranks; ++part)
    out = std::copy_n(gathered + part * widest, widths[part % ranks], out);
}

void best_of_ranks(Group& group, const float* logits, int rows, int width, int first, int32_t* tokens) {
  constexpr int kPair = 2;  // a logit and its token
  const int ranks = group.size();
  std::vector<float> own(size_t(rows) * kPair), all(own.size() * ranks);
  for (int r = 0; r < rows; ++r) {
    own[r * kPair] = logits[size_t(r) * width + tokens[r]];
    own[r * kPair + 1] = static_cast<float>(first + tokens[r]);
  }
  group.all_gather(own.data(), rows, kPair, all.data());
  for (int r = 0; r < rows; ++r) {
    // As on one rank: of logits that are no numbers above minus infinity, the first token.
    float best = -std::numeric_limits<float>::infinity(), token = 0;
    for (int k = 0; k < ranks; ++k)
      if (const float* pair = all.data() + (size_t(r) * ranks + k) * kPair; pair[0] > best)
        best = pair[0], token = pair[1];
    tokens[r] = static_cast<int32_t>(token);
  }
}

}  // namespace mj
