// One function an operation: its operands, what must hold of them, and the shape of its result.
#include "decoder.h"

namespace mj {

void Decoder::batch() {
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
int Decoder::length_of(int handle, int length) const {
  for (auto& earlier : program_.batches)
    if (earlier.appends)
      for (auto& s : earlier.segments)
        if (s.handle == handle) length = s.start + s.rows;
  return length;
}
void Decoder::tokens() {
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
void Decoder::embed() {
  const int dst = reg_number(next());
  op_.a = use(Value::tokens);
  const WeightShape& w = matrix(0);
  next();
  if (value(op_.a).bound > w.rows)
    fail("token " + str(value(op_.a).bound - 1) + " of a vocabulary of " + str(w.rows));
  emit(dst, {Value::floats, value(op_.a).rows, w.columns});
}
void Decoder::rms_norm() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  vector(0, value(op_.a).width);
  next(), next();
  emit(dst, {Value::floats, value(op_.a).rows, value(op_.a).width});
}
void Decoder::linear() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  const WeightShape& w = matrix(0);
  const int rows = value(op_.a).rows;
  if (value(op_.a).width != w.columns)
    fail("a row has " + str(value(op_.a).width) + " elements, weight " + str(op_.weight[0]) + " takes " +
         str(w.columns));
  vector(1, w.rows);
  if (const int32_t residual = next(); residual != -1) {
    op_.b = use(residual, Value::floats);
    same_shape(op_.b, rows, w.rows);
  }
  emit(dst, {Value::floats, rows, w.rows});
}
void Decoder::same_shape(int v, int rows, int width) const {
  if (value(v).rows != rows || value(v).width != width)
    fail(str(value(v).rows) + " x " + str(value(v).width) + " is added to " + str(rows) + " x " + str(width));
}
void Decoder::heads(const KvShape& kv, int query_heads, int kv_heads, int head_dim) const {
  if (kv_heads != kv.kv_heads || head_dim != kv.head_dim)
    fail(str(kv_heads) + " heads of " + str(head_dim) + ", the store has " + str(kv.kv_heads) + " of " +
         str(kv.head_dim));
  if (query_heads % kv_heads != 0) fail(str(query_heads) + " query heads over " + str(kv_heads));
}
KvShape Decoder::store_of_batch() {
  current_batch();
  KvShape kv{};
  auto& segments = program_.batches[op_.batch].segments;
  if (segments.empty() || !catalog_.kv(segments[0].handle, kv)) fail("the batch has no sequence");
  return kv;
}
void Decoder::rope_append() {
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
void Decoder::attend() {
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
void Decoder::gated() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  one_of("the activation", ACT_GELU);
  if (value(op_.a).width % 2) fail("a row has an odd number of elements");
  emit(dst, {Value::floats, value(op_.a).rows, value(op_.a).width / 2});
}
void Decoder::add() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats), op_.b = use(Value::floats);
  same_shape(op_.b, value(op_.a).rows, value(op_.a).width);
  emit(dst, {Value::floats, value(op_.a).rows, value(op_.a).width});
}
void Decoder::rows() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  const int n = count(1, 1, kMaxPosition);
  for (int i = 0; i < n; ++i) one_of("the row", value(op_.a).rows - 1);
  emit(dst, {Value::floats, n, value(op_.a).width});
}
void Decoder::unary() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  int64_t width = value(op_.a).width;
  if (op_.code == OP_SCALE || op_.code == OP_SOFTCAP) next();
  if (op_.code == OP_ALL_GATHER) width *= catalog_.ranks();
  if (width > kMaxElements / 2) fail("a row of " + str(width) + " elements is too large");
  emit(dst, {Value::floats, value(op_.a).rows, static_cast<int>(width)});
}
void Decoder::sample() {
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
void Decoder::hash() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  emit(dst, {Value::floats, 1, kHashParts});
}
void Decoder::eval() {
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
void Decoder::moe() {
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
void Decoder::concat() {
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
void Decoder::adjust() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  const int vocabulary = value(op_.a).width;
  if (const int32_t previous = next(); previous != -1) {
    op_.b = use(previous, Value::tokens);
    if (value(op_.b).bound > vocabulary) fail("earlier tokens are of a larger vocabulary");
  }
  const int available = op_.b < 0 ? 0 : value(op_.b).rows;
  const int n = count(ADJUST_WORDS, 1, kMaxPosition);
  if (n != value(op_.a).rows) fail(str(n) + " rows of adjustments for " + str(value(op_.a).rows) + " rows of logits");
  for (int i = 0; i < n; ++i) {
    if (!(as_float(next()) > 0)) fail("the repetition penalty is not above 0");
    next(), next();
    if (const int32_t pending = next(); pending < -1 || pending >= available)
      fail("element " + str(pending) + " of " + str(available) + " earlier tokens");
    const int entries = count(ENTRY_WORDS, 0, vocabulary);
    for (int k = 0; k < entries; ++k) {
      one_of("the token", vocabulary - 1);
      next();
      one_of("the count", kMaxPosition), one_of("repeated", 1);
    }
  }
  emit(dst, {Value::floats, n, vocabulary});
}
void Decoder::mask() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  const int rows = value(op_.a).rows, vocabulary = value(op_.a).width, words = mask_words(vocabulary);
  const int n = count(1 + words, 1, rows);
  int last = -1;
  for (int i = 0; i < n; ++i) {
    const int row = one_of("the row", rows - 1);
    if (row <= last) fail("row " + str(row) + " comes after row " + str(last));
    last = row;
    const int32_t* bits = program_.tape.data() + at_;
    at_ += words;
    uint32_t any = static_cast<uint32_t>(bits[words - 1]) & (~0u >> (words * kMaskBits - vocabulary));
    for (int k = 0; k + 1 < words; ++k) any |= static_cast<uint32_t>(bits[k]);
    if (!any) fail("row " + str(row) + " allows no token");
  }
  emit(dst, {Value::floats, rows, vocabulary});
}
void Decoder::embed_part() {
  const int dst = reg_number(next());
  op_.a = use(Value::tokens);
  const WeightShape& w = matrix(0);
  next();
  const int first = one_of("the first row", kMostVocabulary), vocabulary = one_of("the vocabulary", kMostVocabulary);
  if (w.rows > vocabulary - first)
    fail("rows " + str(first) + " to " + str(int64_t{first} + w.rows) + " of a vocabulary of " + str(vocabulary));
  if (value(op_.a).bound > vocabulary)
    fail("token " + str(value(op_.a).bound - 1) + " of a vocabulary of " + str(vocabulary));
  emit(dst, {Value::floats, value(op_.a).rows, w.columns});
}
void Decoder::gather_columns() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  const int n = count(1, 1, kMaxRegisters);
  if (n != catalog_.ranks()) fail(str(n) + " widths for " + str(catalog_.ranks()) + " ranks");
  int64_t width = 0;
  for (int i = 0; i < n; ++i) {
    const int own = positive("a width");
    if (i == catalog_.rank() && own != value(op_.a).width)
      fail("a row has " + str(value(op_.a).width) + " elements, not " + str(own));
    width += own;
  }
  if (width > kMaxElements / 2) fail("a row of " + str(width) + " elements is too large");
  emit(dst, {Value::floats, value(op_.a).rows, static_cast<int>(width)});
}
void Decoder::best_token() {
  const int dst = reg_number(next());
  op_.a = use(Value::floats);
  const int first = one_of("the first token", kMostVocabulary), vocabulary = one_of("the vocabulary", kMostVocabulary);
  if (value(op_.a).width > vocabulary - first)
    fail("tokens " + str(first) + " to " + str(int64_t{first} + value(op_.a).width) + " of a vocabulary of " +
         str(vocabulary));
  emit(dst, {Value::tokens, value(op_.a).rows, 1, vocabulary});
}

}  // namespace mj
