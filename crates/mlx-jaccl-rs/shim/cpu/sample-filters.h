// The filters of the sampler that leave out more than the tail.
#pragma once
#include <cstdint>

#include "cpu.h"

namespace mj::cpu {

// Leaves of `ids` those that locally typical sampling keeps of all n logits: tokens by |surprise - entropy| (equal: the
// lower id first) until they hold `p`. total: sum of exp(x - max). The order of `ids` may change. Gives their number, 0
// when none of the ids is typical.
int keep_typical(const float* x, int n, int32_t* ids, int count, float max, double total, float p);

// Whether the draw `word` of a row lets XTC act.
bool xtc_applies(const SampleRow& row, uint64_t word);
// Leaves out of `ids` the top choices. Gives the number left, at least one.
int exclude_top_choices(const float* x, int32_t* ids, int count, float max, const SampleRow& row);

}  // namespace mj::cpu
