// A command buffer, checked: every operand exists, sizes agree, nothing points outside. Both executors run this form.
// Knows no arrays, no kernels and no MLX.
#pragma once
#include <bit>
#include <cstdint>
#include <vector>

#include "opcodes.h"

namespace mj {

constexpr int kMaxRegisters = 1 << 16;
constexpr int kMaxSegments = 4096;
constexpr int kMaxPosition = 1 << 30;
constexpr int64_t kMaxElements = int64_t{1} << 31;  // of one register

constexpr int kMaskBits = 32;
inline int mask_words(int vocabulary) { return (vocabulary + kMaskBits - 1) / kMaskBits; }  // of a row of OP_MASK

inline float as_float(int32_t word) { return std::bit_cast<float>(word); }

// What an operation makes. A register names the value that was last put into it.
struct Value {
  enum Kind : uint8_t { floats, tokens, order };
  Kind kind;
  int rows = 0, width = 1;
  int bound = 0;        // tokens: every id is below it
  int last_use = -1;    // the last instruction that reads it
  int output = -1;      // its place among the outputs of the step
  int input = -1;       // its place among the inputs of the step
  int layer = -1, batch = -1;  // order
  int depends = 0;      // how many of the step's appends it is computed from, in the order of the tape
};

struct Instruction {
  Opcode code;
  int index;             // of the operation in the tape, for errors
  int words;             // where its operands begin in Program::tape
  int dst = -1, dst2 = -1, a = -1, b = -1;  // values
  int list = 0, list_size = 0;              // more operands, in Program::lists
  int weight[3] = {-1, -1, -1};
  int batch = -1;
};

struct BatchSegment {
  int handle, first_row, rows, start;
};
struct Batch {
  int store = -1, rows = 0;
  bool appends = false;
  std::vector<BatchSegment> segments;
};

struct Program {
  std::vector<int32_t> tape;
  std::vector<Value> values;
  std::vector<Instruction> instructions;
  std::vector<Batch> batches;
  std::vector<int> lists;
  struct Port { int reg, value; };
  std::vector<Port> inputs;   // persistent registers of earlier steps that this one reads
  std::vector<Port> outputs;  // roots, and persistent registers that were written
  int appends = 0;
  const int32_t* words(const Instruction& in) const { return tape.data() + in.words; }
};

struct WeightShape {
  bool present = false, matrix = false;
  int rows = 0, columns = 0;  // a vector has one row
};
struct KvShape {
  int store, layers, kv_heads, head_dim, length;
};

// What the decoder asks of the engine. References stay good until the next change.
class Catalog {
 public:
  virtual ~Catalog() = default;
  virtual const WeightShape* weight(int id) const = 0;             // null: none
  virtual bool kv(int handle, KvShape& shape) const = 0;           // false: none
  virtual const Value* persistent(int reg) const = 0;              // null: empty
  virtual int ranks() const = 0;
  virtual int rank() const = 0;
};

// Throws std::invalid_argument that names the operation.
Program decode(const int32_t* tape, int length, const Catalog&);
const char* opcode_name(int32_t code);

}  // namespace mj
