// Reads a command buffer and checks it against the weights, sequences and registers that exist.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "program.h"

namespace mj {

const char* opcode_name(int32_t code) {
  static constexpr const char* names[] = {
      nullptr,     "OP_BATCH",  "OP_TOKENS", "OP_EMBED", "OP_RMS_NORM", "OP_LINEAR", "OP_ROPE_APPEND",
      "OP_ATTEND", "OP_GATED",  "OP_ADD",    "OP_ROWS",  "OP_SCALE",    "OP_SOFTCAP", "OP_SAMPLE",
      "OP_ALL_SUM", "OP_ALL_GATHER", "OP_EVAL", "OP_MOE", "OP_CONCAT"};
  return code > 0 && code < static_cast<int32_t>(std::size(names)) ? names[code] : nullptr;
}

namespace {

std::string str(int64_t n) { return std::to_string(n); }

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

  void batch() {
    const int n = count(3, 0, kMaxSegments);
    Batch batch;
    batch.segments.reserve(n);
    for (int i = 0; i < n; ++i) {
      const int32_t handle = next(), rows = next(), start = next();
      KvShape kv;
      if (!catalog_.kv(handle, kv)) fail("there is no sequence " + str(handle));
      for (auto& other : batch.segments)
        if (other.handle == handle) fail("sequence " + str(handle) + " is named twice");
      if (batch.store >= 0 && kv.store != batch.store) fail("the sequences are of different stores");
      batch.store = kv.store;
      const int length = length_of(handle, kv.length);
      if (start < 0 || start > length)
        fail("position " + str(start) + " of sequence " + str(handle) + ", which has " + str(length));
      if (rows <= 0 || static_cast<int64_t>(start) + rows > kMaxPosition) fail("a segment of " + str(rows) + " rows");
      if (batch.rows > kMaxPosition - rows) fail("the segments have too many rows");
      batch.segments.push_back({handle, batch.rows, rows, start});
      batch.rows += rows;
    }
    program_.batches.push_back(std::move(batch));
  }
  // The length a sequence will have after the batches that came before in this tape.
  int length_of(int handle, int length) const {
    for (auto& earlier : program_.batches)
      if (earlier.appends)
        for (auto& s : earlier.segments)
          if (s.handle == handle) length = s.start + s.rows;
    return length;
  }
  void tokens() {
    const int dst = reg_number(next());
    const int32_t previous = next();
    if (previous != -1) op_.a = use(previous, Value::tokens);
    const int available = op_.a < 0 ? 0 : value(op_.a).rows;
    const int n = count(1, 1, kMaxPosition);
    int bound = op_.a < 0 ? 0 : value(op_.a).bound;
    for (int i = 0; i < n; ++i) {
      const int32_t entry = next();
      if (entry >= 0) bound = std::max(bound, entry < kMaxPosition ? entry + 1 : kMaxPosition + 1);
      else if (-(static_cast<int64_t>(entry) + 1) >= available)
        fail("element " + str(-(static_cast<int64_t>(entry) + 1)) + " of " + str(available) + " earlier tokens");
    }
    emit(dst, {Value::tokens, n, 1, bound});
  }
  void embed() {
    const int dst = reg_number(next());
    op_.a = use(Value::tokens);
    const WeightShape& w = matrix(0);
    next();
    if (value(op_.a).bound > w.rows) fail("token " + str(value(op_.a).bound - 1) + " of a vocabulary of " + str(w.rows));
    emit(dst, {Value::floats, value(op_.a).rows, w.columns});
  }
  void rms_norm() {
    const int dst = reg_number(next());
    op_.a = use(Value::floats);
    vector(0, value(op_.a).width);
    next(), next();
    emit(dst, {Value::floats, value(op_.a).rows, value(op_.a).width});
  }
  void linear() {
    const int dst = reg_number(next());
    op_.a = use(Value::floats);
    const WeightShape& w = matrix(0);
    const int rows = value(op_.a).rows;
    if (value(op_.a).width != w.columns)
      fail("a row has " + str(value(op_.a).width) + " elements, weight " + str(op_.weight[0]) + " takes " + str(w.columns));
    vector(1, w.rows);
    if (const int32_t residual = next(); residual != -1) {
      op_.b = use(residual, Value::floats);
      same_shape(op_.b, rows, w.rows);
    }
    emit(dst, {Value::floats, rows, w.rows});
  }
  void same_shape(int v, int rows, int width) const {
    if (value(v).rows != rows || value(v).width != width)
      fail(str(value(v).rows) + " x " + str(value(v).width) + " is added to " + str(rows) + " x " + str(width));
  }
  // Heads of a query must be whole multiples of the heads of the store.
  void heads(const KvShape& kv, int query_heads, int kv_heads, int head_dim) const {
    if (kv_heads != kv.kv_heads || head_dim != kv.head_dim)
      fail(str(kv_heads) + " heads of " + str(head_dim) + ", the store has " + str(kv.kv_heads) + " of " + str(kv.head_dim));
    if (query_heads % kv_heads != 0) fail(str(query_heads) + " query heads over " + str(kv_heads));
  }
  KvShape store_of_batch() {
    current_batch();
    KvShape kv{};
    auto& segments = program_.batches[op_.batch].segments;
    if (segments.empty() || !catalog_.kv(segments[0].handle, kv)) fail("the batch has no sequence");
    return kv;
  }
  void rope_append() {
    const int dst = reg_number(next()), order = reg_number(next());
    op_.a = use(Value::floats);
    const KvShape kv = store_of_batch();
    const int layer = one_of("the layer", kv.layers - 1);
    const int hq = positive("query heads"), hk = positive("kv heads"), dim = positive("the head size");
    heads(kv, hq, hk, dim);
    const int rope = one_of("rope dims", dim), mode = one_of("the rope mode", ROPE_PAIRS);
    if (mode != ROPE_NONE && (rope == 0 || rope % 2)) fail("rope dims is " + str(rope));
    vector(0, rope / 2);
    if (mode != ROPE_NONE && op_.weight[0] < 0) fail("inverse frequencies are missing");
    vector(1, dim), vector(2, dim);
    next(), next(), next();
    const Value& x = value(op_.a);
    Batch& batch = program_.batches[op_.batch];
    if (x.rows != batch.rows) fail(str(x.rows) + " rows, the batch has " + str(batch.rows));
    if (x.width != (static_cast<int64_t>(hq) + 2 * static_cast<int64_t>(hk)) * dim)
      fail("a row has " + str(x.width) + " elements, the heads need " + str((int64_t{hq} + 2 * int64_t{hk}) * dim));
    const int rows = x.rows;
    batch.appends = true;
    Value token{Value::order, 0, 0};
    token.layer = layer, token.batch = op_.batch, token.depends = std::max(op_depends_, ++program_.appends);
    op_.dst2 = bind(order, token);
    emit(dst, {Value::floats, rows, hq * dim});
  }
  void attend() {
    const int dst = reg_number(next());
    op_.a = use(Value::floats), op_.b = use(Value::order);
    const KvShape kv = store_of_batch();
    const int layer = one_of("the layer", kv.layers - 1);
    const int hq = positive("query heads"), hk = positive("kv heads"), dim = positive("the head size");
    heads(kv, hq, hk, dim);
    next();
    one_of("the window", kMaxPosition);
    next();
    vector(0, hq);
    const Value& q = value(op_.a);
    if (value(op_.b).layer != layer || value(op_.b).batch != op_.batch) fail("its order is of another layer or batch");
    if (q.rows != program_.batches[op_.batch].rows || q.width != static_cast<int64_t>(hq) * dim)
      fail("queries are " + str(q.rows) + " x " + str(q.width));
    emit(dst, {Value::floats, q.rows, q.width});
  }
  void gated() {
    const int dst = reg_number(next());
    op_.a = use(Value::floats);
    one_of("the activation", ACT_GELU);
    if (value(op_.a).width % 2) fail("a row has an odd number of elements");
    emit(dst, {Value::floats, value(op_.a).rows, value(op_.a).width / 2});
  }
  void add() {
    const int dst = reg_number(next());
    op_.a = use(Value::floats), op_.b = use(Value::floats);
    same_shape(op_.b, value(op_.a).rows, value(op_.a).width);
    emit(dst, {Value::floats, value(op_.a).rows, value(op_.a).width});
  }
  void rows() {
    const int dst = reg_number(next());
    op_.a = use(Value::floats);
    const int n = count(1, 1, kMaxPosition);
    for (int i = 0; i < n; ++i) one_of("the row", value(op_.a).rows - 1);
    emit(dst, {Value::floats, n, value(op_.a).width});
  }
  void unary() {
    const int dst = reg_number(next());
    op_.a = use(Value::floats);
    int64_t width = value(op_.a).width;
    if (op_.code == OP_SCALE || op_.code == OP_SOFTCAP) next();
    if (op_.code == OP_ALL_GATHER) width *= catalog_.ranks();
    if (width > kMaxElements / 2) fail("a row of " + str(width) + " elements is too large");
    emit(dst, {Value::floats, value(op_.a).rows, static_cast<int>(width)});
  }
  void sample() {
    const int dst = reg_number(next());
    const int32_t logprobs = next();
    op_.a = use(Value::floats);
    const int n = count(SAMPLE_WORDS, 1, kMaxPosition);
    if (n != value(op_.a).rows) fail(str(n) + " rows of parameters for " + str(value(op_.a).rows) + " rows of logits");
    at_ += n * SAMPLE_WORDS;
    if (logprobs != -1) {
      Value extra{Value::floats, n, 1};
      extra.depends = op_depends_;
      op_.dst2 = bind(reg_number(logprobs), extra);
    }
    emit(dst, {Value::tokens, n, 1, value(op_.a).width});
  }
  void eval() {
    const int n = count(1, 0, kMaxRegisters);
    for (int i = 0; i < n; ++i) {
      const int32_t reg = reg_number(next());
      const int v = reg < static_cast<int>(registers_.size()) ? registers_[reg] : -1;
      if (v < 0) {
        if (reg >= kPersistentRegisters || !catalog_.persistent(reg)) fail("register " + str(reg) + " is empty");
        continue;  // of an earlier step: submitted already
      }
      if (value(v).input < 0) output(reg, v);
    }
  }
  void moe() {
    const int dst = reg_number(next());
    op_.a = use(Value::floats);
    const int hidden = value(op_.a).width, tokens = value(op_.a).rows;
    const WeightShape router = matrix(0), gate_up = matrix(1), down = matrix(2);
    const int experts = router.rows, chosen = positive("experts a token");
    one_of("the router", ROUTER_SOFTMAX_TOPK), one_of("flags", 1);
    if (chosen > experts) fail(str(chosen) + " of " + str(experts) + " experts");
    const int64_t inner = down.columns;
    if (router.columns != hidden || gate_up.columns != hidden || gate_up.rows != 2 * inner * experts ||
        down.rows != static_cast<int64_t>(hidden) * experts)
      fail("the sizes of its weights do not agree");
    emit(dst, {Value::floats, tokens, hidden});
  }
  void concat() {
    const int dst = reg_number(next());
    op_.list_size = count(1, 1, kMaxRegisters);
    op_.list = static_cast<int>(program_.lists.size());
    int64_t width = 0;
    for (int i = 0; i < op_.list_size; ++i) {
      const int v = use(Value::floats);
      program_.lists.push_back(v);
      width += value(v).width;
      if (value(v).rows != value(program_.lists[op_.list]).rows) fail("its parts have different numbers of rows");
    }
    if (width > kMaxElements) fail("a row of " + str(width) + " elements is too large");
    emit(dst, {Value::floats, value(program_.lists[op_.list]).rows, static_cast<int>(width)});
  }

  const Catalog& catalog_;
  Program program_;
  Instruction op_{};
  int at_ = 0, index_ = 0, op_depends_ = 0;
  int32_t code_ = 0;
  std::vector<int> registers_;
};

}  // namespace

Program decode(const int32_t* tape, int length, const Catalog& catalog) { return Decoder(tape, length, catalog).run(); }

}  // namespace mj
