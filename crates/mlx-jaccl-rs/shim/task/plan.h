// A program with memory: where each value lies, and which weights and KV blocks it touches. Made when a step is
// submitted, run once on the thread of MLX's CPU stream.
#pragma once
#include <memory>
#include <vector>

#include "../cpu/cpu.h"
#include "../group.h"
#include "collective-times.h"
#include "../program.h"

namespace mj {

// Memory for what lives only within a step. Steps run one after the other, so one arena serves all of them. Touched by
// the stream's thread only.
class Arena {
 public:
  char* hold(size_t bytes);  // at least so many, aligned to 64; what was there before is lost

 private:
  struct Free {
    void operator()(char* p) const;
  };
  std::unique_ptr<char, Free> memory_;
  size_t bytes_ = 0;
};

struct Place {
  enum Kind : uint8_t { none, arena, output, input };
  Kind kind = none;
  size_t at = 0;  // bytes from the start of the arena, or the number of the port
};

struct PlannedBatch {
  const cpu::KvStore* store = nullptr;
  std::vector<cpu::Segment> segments;
};

// What outlives a step and its tasks use.
struct Machine {
  cpu::ContextPtr context;
  std::shared_ptr<Group> group;
  Arena arena;
  CollectiveTimes collectives;
  std::vector<int> picked;     // scratch of OP_MOE
  std::vector<float> columns;  // scratch of OP_GATHER_COLUMNS
};

struct PlannedInstruction {
  const cpu::Matrix* matrix[3] = {nullptr, nullptr, nullptr};
  const float* vector[3] = {nullptr, nullptr, nullptr};
  Place scratch;  // OP_MOE
};

struct Plan {
  Program program;
  std::vector<Place> places;                  // of the values
  std::vector<PlannedInstruction> operands;   // of the instructions
  std::vector<PlannedBatch> batches;
  size_t arena_bytes = 0;
};

// Gives every value its place: outputs and inputs at their ports, the rest in an arena whose bytes are used again after
// the last use of a value.
void place_values(Plan&);
// Bytes that OP_MOE needs beside its operands, and the layout of them.
struct MoeScratch {
  size_t logits, rows, inner, gated, out, shares, ids, total;  // offsets in bytes
  MoeScratch(int rows, int hidden, int experts, int inner, int chosen);
};

// Runs the plan. outputs and inputs are the memory of its ports.
void run_plan(const Plan&, Machine&, const std::vector<char*>& outputs, const std::vector<const char*>& inputs);

}  // namespace mj
