// Logits whose columns, the vocabulary, are divided over the ranks of a group.
#pragma once
#include <cstdint>
#include <vector>

#include "../group.h"

namespace mj {

// out [rows, sum of widths] from x [rows, widths[rank]] of every rank, in rank order.
void gather_columns(Group&, const float* x, int rows, const int32_t* widths, std::vector<float>& scratch, float* out);

// tokens [rows]: in, the column of the highest of the rank's own logits [rows, width]; out, the token of the highest
// logit over all ranks, the first of equal ones. `first` is the token of this rank's first column.
void best_of_ranks(Group&, const float* logits, int rows, int width, int first, int32_t* tokens);

}  // namespace mj
