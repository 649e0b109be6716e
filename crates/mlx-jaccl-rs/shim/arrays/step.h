// The state of one step while its graph is built.
#pragma once
#include "executor.h"

namespace mj {

struct ArrayExecutor::Step {
  const Program& program;
  std::vector<std::optional<mx::array>> values;
  struct Undo {
    int store;
    ArraySequences::Saved saved;
  };
  std::vector<Undo> undo;

  const mx::array& at(int value) const { return values[value].value(); }
  const int32_t* words(const Instruction& in) const { return program.words(in); }
  const Batch& batch(const Instruction& in) const { return program.batches[in.batch]; }
};

}  // namespace mj
