// The state of one step while its graph is built.
#pragma once
#include <map>

#include "collective.h"
#include "executor.h"

namespace mj {

// Segments of equal length that follow one another: rotated and normalised in one operation.
struct Run {
  int first, count, rows;
};

// Segments of equal length whose sequences are rows of one slab: written and attended to in one operation. Everything
// here has the slab's order; rows of the slab that take no part repeat the batch's first row and see their first key.
struct Company {
  int slab, slab_rows, rows;
  int first_row = -1;               // of the batch, when members and slab have the same order
  int extent = 0;                   // positions of the slab that a member sees, at most
  std::optional<mx::array> gather;  // i32 [slab rows * rows]: rows of the batch
  mx::array starts;                 // i32 [slab rows]
  mx::array places;                 // i32 [slab rows, kv heads, rows, head size]: the positions written
  std::map<int, mx::array> masks;   // by window: bool [slab rows, 1, rows, extent]
};

// How the segments of a batch are computed.
struct Layout {
  std::vector<Company> companies;
  std::vector<Run> alone;
  std::optional<mx::array> back;  // i32 [batch rows]: where a row is in companies, then alone; none: in order
};

struct ArrayExecutor::Step {
  const Program& program;
  CollectiveChain collectives;
  std::vector<std::optional<mx::array>> values;
  std::map<int, ArraySequences::State> before;         // by store
  std::vector<Layout> layouts;                         // by batch
  std::map<int, std::vector<mx::array>> rotated = {};  // by value: queries [slab rows, heads, rows, dim] of companies

  const mx::array& at(int value) const { return values[value].value(); }
  const int32_t* words(const Instruction& in) const { return program.words(in); }
  const Batch& batch(const Instruction& in) const { return program.batches[in.batch]; }
};

}  // namespace mj
