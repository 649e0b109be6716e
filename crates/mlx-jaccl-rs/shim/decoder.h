// Reads the words of a command buffer one after the other and checks them. Private to decode*.cc.
#pragma once
#include <algorithm>
#include <stdexcept>
#include <string>

#include "program.h"

namespace mj {

inline std::string str(int64_t n) { return std::to_string(n); }

class Decoder {
 public:
  Decoder(const int32_t* tape, int length, const Catalog& catalog) : catalog_(catalog) {
    program_.tape.assign(tape, tape + length);
    program_.instructions.reserve(length / 6 + 1);
    program_.values.reserve(length / 6 + 1);
  }

  Program run() {
    const int length = static_cast<int>(program_.tape.size());
    while (at_ < length) {
      code_ = program_.tape[at_++];
      if (!opcode_name(code_)) fail("there is no such opcode");
      op_ = Instruction{static_cast<Opcode>(code_), index_, at_};
      operation();
      ++index_;
    }
    for (int reg = 0; reg < std::min<int>(kPersistentRegisters, registers_.size()); ++reg)
      if (int v = registers_[reg]; v >= 0 && program_.values[v].input < 0) output(reg, v);
    return std::move(program_);
  }

 private:
  void operation() {
    switch (op_.code) {
      case OP_BATCH: return batch();
      case OP_TOKENS: return tokens();
      case OP_EMBED: return embed();
      case OP_RMS_NORM: return rms_norm();
      case OP_LINEAR: return linear();
      case OP_ROPE_APPEND: return rope_append();
      case OP_ATTEND: return attend();
      case OP_GATED: return gated();
      case OP_ADD: return add();
      case OP_ROWS: return rows();
      case OP_SCALE:
      case OP_SOFTCAP:
      case OP_ALL_SUM:
      case OP_ALL_GATHER: return unary();
      case OP_SAMPLE: return sample();
      case OP_EVAL: return eval();
      case OP_MOE: return moe();
      case OP_CONCAT: return concat();
      case OP_ADJUST: return adjust();
      case OP_MASK: return mask();
      case OP_HASH: return hash();
      case OP_EMBED_PART: return embed_part();
      case OP_GATHER_COLUMNS: return gather_columns();
      case OP_BEST_TOKEN: return best_token();
    }
  }

  [[noreturn]] void fail(const std::string& text) const {
    const char* name = opcode_name(code_);
    throw std::invalid_argument((name ? name : "opcode " + str(code_)) + " (operation " + str(index_) + "): " + text);
  }
  int32_t next() {
    if (at_ >= static_cast<int>(program_.tape.size())) fail("the command buffer ends inside it");
    return program_.tape[at_++];
  }
  // A count, and room for so many groups of `words` words after it.
  int count(int words, int least, int most) {
    const int32_t n = next();
    if (n < least || n > most) fail("count " + str(n) + " is not between " + str(least) + " and " + str(most));
    if (static_cast<int64_t>(n) * words > static_cast<int64_t>(program_.tape.size()) - at_)
      fail("the command buffer ends inside it");
    return n;
  }
  int positive(const char* what) {
    const int32_t n = next();
    if (n <= 0 || n > kMaxPosition) fail(std::string(what) + " is " + str(n));
    return n;
  }
  int one_of(const char* what, int most) {
    const int32_t n = next();
    if (n < 0 || n > most) fail(std::string(what) + " is " + str(n));
    return n;
  }

  int reg_number(int32_t reg) const {
    if (reg < 0 || reg >= kMaxRegisters) fail("there is no register " + str(reg));
    return reg;
  }
  // The value of a register that this operation reads.
  int use(Value::Kind kind) { return use(next(), kind); }
  int use(int32_t reg, Value::Kind kind) {
    reg_number(reg);
    int v = reg < static_cast<int>(registers_.size()) ? registers_[reg] : -1;
    if (v < 0) {
      const Value* old = reg < kPersistentRegisters ? catalog_.persistent(reg) : nullptr;
      if (!old) fail("register " + str(reg) + " is empty");
      Value value{old->kind, old->rows, old->width, old->bound};
      value.input = static_cast<int>(program_.inputs.size());
      v = bind(reg, value);
      program_.inputs.push_back({reg, v});
    }
    Value& value = program_.values[v];
    if (value.kind != kind) {
      static constexpr const char* kinds[] = {"numbers", "tokens", "an order"};
      fail("register " + str(reg) + " holds " + kinds[value.kind] + ", not " + kinds[kind]);
    }
    value.last_use = static_cast<int>(program_.instructions.size());
    op_depends_ = std::max(op_depends_, value.depends);
    return v;
  }
  int bind(int reg, const Value& value) {
    if (static_cast<int64_t>(value.rows) * value.width > kMaxElements)
      fail("a result of " + str(value.rows) + " x " + str(value.width) + " is too large");
    if (reg >= static_cast<int>(registers_.size())) registers_.resize(std::max(reg + 1, 256), -1);
    program_.values.push_back(value);
    return registers_[reg] = static_cast<int>(program_.values.size()) - 1;
  }
  const Value& value(int v) const { return program_.values[v]; }

  const WeightShape& shape(int32_t id) const {
    const WeightShape* w = catalog_.weight(id);
    if (!w) fail("there is no weight " + str(id));
    return *w;
  }
  const WeightShape& matrix(int slot) {
    const WeightShape& w = shape(op_.weight[slot] = next());
    if (!w.matrix) fail("weight " + str(op_.weight[slot]) + " is a vector, not a matrix");
    return w;
  }
  // An optional vector of n elements.
  void vector(int slot, int n) {
    const int32_t id = next();
    if (id == -1) return;
    const WeightShape& w = shape(op_.weight[slot] = id);
    if (w.matrix) fail("weight " + str(id) + " is a matrix, not a vector");
    if (w.columns != n) fail("weight " + str(id) + " has " + str(w.columns) + " elements, not " + str(n));
  }
  void emit(int dst_reg, Value value) {
    value.depends = std::max(value.depends, op_depends_);
    op_.dst = bind(dst_reg, value);
    push();
  }
  void push() {
    program_.instructions.push_back(op_);
    op_depends_ = 0;
  }
  void output(int reg, int v) {
    auto& outputs = program_.outputs;
    auto found = std::find_if(outputs.begin(), outputs.end(), [&](auto& port) { return port.reg == reg; });
    if (found != outputs.end() && found->value == v) return;
    if (program_.values[v].kind == Value::order) fail("register " + str(reg) + " holds no array");
    if (found != outputs.end()) found->value = v;  // the register was written again after it was named
    else outputs.push_back({reg, v});
  }
  void current_batch() {
    if (program_.batches.empty()) fail("no OP_BATCH came before it");
    op_.batch = static_cast<int>(program_.batches.size()) - 1;
  }

  void batch();
  // The length a sequence will have after the batches that came before in this tape.
  int length_of(int handle, int length) const;
  void tokens();
  void embed();
  void rms_norm();
  void linear();
  void same_shape(int v, int rows, int width) const;
  // Heads of a query must be whole multiples of the heads of the store.
  void heads(const KvShape& kv, int query_heads, int kv_heads, int head_dim) const;
  KvShape store_of_batch();
  void rope_append();
  void attend();
  void gated();
  void add();
  void rows();
  void unary();
  void sample();
  void eval();
  void moe();
  void concat();
  void adjust();
  void mask();
  void hash();
  void embed_part();
  void gather_columns();
  void best_token();

  const Catalog& catalog_;
  Program program_;
  Instruction op_{};
  int at_ = 0, index_ = 0, op_depends_ = 0;
  int32_t code_ = 0;
  std::vector<int> registers_;
};

}  // namespace mj
