// What both executors share: numbers of weights, stores and sequences, and the registers of a finished step.
#include "executor.h"

#include <cstring>
#include <stdexcept>

#include "mlx/memory.h"
#include "mlx/ops.h"
#include "mlx/transforms.h"

namespace mj {

namespace {
constexpr int kMaxWeights = 1 << 20;
constexpr int kMaxSide = 1 << 28;  // rows or columns of a matrix
std::string str(int64_t n) { return std::to_string(n); }
}  // namespace

Executor::Executor(mx::Device device) : device_(device), stream_(mx::default_stream(device)) {}

void Executor::drain() {
  flush();
  mx::synchronize(stream_);
}

// ---------------------------------------------------------------------------------------------------------- weights

void Executor::new_weight(int id, int rows, int columns) {
  if (id < 0 || id >= kMaxWeights) throw std::invalid_argument("weight number " + str(id) + " is out of range");
  if (rows <= 0 || columns <= 0 || rows > kMaxSide || columns > kMaxSide)
    throw std::invalid_argument("weight " + str(id) + " is " + str(rows) + " x " + str(columns));
  if (weight(id)) free_weight(id);
}
void Executor::keep_weight(int id, bool matrix, int rows, int columns, size_t bytes) {
  if (id >= static_cast<int>(weights_.size())) {
    weights_.resize(id + 1);
    weight_bytes_.resize(id + 1);
  }
  weights_[id] = {true, matrix, rows, columns};
  weight_bytes_[id] = bytes;
}
void Executor::put_dense(int id, const void* data, Elements type, int rows, int columns) {
  new_weight(id, rows, columns);
  keep_weight(id, true, rows, columns, store_dense(id, data, type, rows, columns));
}
void Executor::put_affine(int id, const uint32_t* words, const void* scales, const void* biases, Elements type,
                          int rows, int columns, int bits, int group) {
  new_weight(id, rows, columns);
  const bool known = bits == 2 || bits == 3 || bits == 4 || bits == 5 || bits == 6 || bits == 8;
  if (!known || (group != 32 && group != 64 && group != 128) || columns % group)
    throw std::invalid_argument("weight " + str(id) + ": " + str(bits) + " bits in groups of " + str(group) + " over " +
                                str(columns) + " columns");
  keep_weight(id, true, rows, columns, store_affine(id, words, scales, biases, type, rows, columns, bits, group));
}
void Executor::put_mxfp4(int id, const uint32_t* words, const uint8_t* scales, int rows, int columns) {
  new_weight(id, rows, columns);
  if (columns % 32) throw std::invalid_argument("weight " + str(id) + ": mxfp4 over " + str(columns) + " columns");
  keep_weight(id, true, rows, columns, store_mxfp4(id, words, scales, rows, columns));
}
void Executor::put_vector(int id, const float* values, int n) {
  new_weight(id, 1, n);
  keep_weight(id, false, 1, n, store_vector(id, values, n));
}
void Executor::free_weight(int id) {
  if (!weight(id)) return;
  drain();
  drop_weight(id);
  weights_[id] = {};
  weight_bytes_[id] = 0;
}
int64_t Executor::weight_bytes(int id) const { return weight(id) ? static_cast<int64_t>(weight_bytes_[id]) : 0; }

const WeightShape* Executor::weight(int id) const {
  return id >= 0 && id < static_cast<int>(weights_.size()) && weights_[id].present ? &weights_[id] : nullptr;
}

// --------------------------------------------------------------------------------------------------------------- KV

const Executor::Store& Executor::store(int number) const {
  if (number < 0 || number >= static_cast<int>(stores_.size()) || !stores_[number].sequences)
    throw std::invalid_argument("there is no KV store " + str(number));
  return stores_[number];
}
const Executor::Handle& Executor::handle(int number) const {
  if (number < 0 || number >= static_cast<int>(handles_.size()) || handles_[number].store < 0)
    throw std::invalid_argument("there is no sequence " + str(number));
  return handles_[number];
}
int Executor::new_handle(int store, int inner) {
  if (free_handles_.empty()) {
    handles_.push_back({store, inner});
    return static_cast<int>(handles_.size()) - 1;
  }
  const int number = free_handles_.back();
  free_handles_.pop_back();
  handles_[number] = {store, inner};
  return number;
}
int Executor::make_store(const mj_kv_options& options) {
  constexpr int kMost = 1 << 16;
  if (options.layers <= 0 || options.kv_heads <= 0 || options.head_dim <= 0 || options.layers > kMost ||
      options.kv_heads > kMost || options.head_dim > kMost)
    throw std::invalid_argument("a KV store of " + str(options.layers) + " layers, " + str(options.kv_heads) +
                                " heads of " + str(options.head_dim));
  stores_.push_back({make_sequences(options), options});
  return static_cast<int>(stores_.size()) - 1;
}
void Executor::free_store(int number) {
  store(number);
  drain();
  for (size_t h = 0; h < handles_.size(); ++h)
    if (handles_[h].store == number) {
      handles_[h] = {};
      free_handles_.push_back(static_cast<int>(h));
    }
  stores_[number].sequences.reset();
}
int Executor::kv_open(int number) {
  store(number);
  return new_handle(number, sequences(number).open());
}
int Executor::kv_fork(int number, int length) {
  const Handle h = handle(number);
  if (length < 0 || length > kv_length(number))
    throw std::invalid_argument("a fork of " + str(length) + " positions, sequence " + str(number) + " has " +
                                str(kv_length(number)));
  return new_handle(h.store, sequences(h.store).fork(h.inner, length));
}
void Executor::kv_truncate(int number, int length) {
  const Handle& h = handle(number);
  if (length < 0) throw std::invalid_argument("a length of " + str(length));
  if (length < kv_length(number)) sequences(h.store).truncate(h.inner, length);
}
void Executor::kv_close(int number) {
  const Handle h = handle(number);
  sequences(h.store).close(h.inner);
  handles_[number] = {};
  free_handles_.push_back(number);
}
int Executor::kv_length(int number) const {
  const Handle& h = handle(number);
  return sequences(h.store).length(h.inner);
}
mj_kv_stats Executor::kv_stats(int number) const {
  store(number);
  return sequences(number).stats();
}
int64_t Executor::position_floats(int number) const {
  const mj_kv_options& o = store(handle(number).store).options;
  return int64_t{2} * o.layers * o.kv_heads * o.head_dim;
}
void Executor::kv_read(int number, int from, int to, float* out, int64_t capacity) {
  if (from < 0 || from > to || to > kv_length(number))
    throw std::invalid_argument("positions " + str(from) + " to " + str(to) + ", sequence " + str(number) + " has " +
                                str(kv_length(number)));
  if (capacity != (to - from) * position_floats(number))
    throw std::invalid_argument(str(to - from) + " positions are " + str((to - from) * position_floats(number)) +
                                " numbers, there is room for " + str(capacity));
  drain();
  if (to > from) sequences(handle(number).store).read(inner(number), from, to, out);
}
void Executor::kv_append(int number, const float* from, int64_t count) {
  const int64_t each = position_floats(number);
  if (count % each != 0 || count / each > (1 << 30))
    throw std::invalid_argument(str(count) + " numbers are no positions of " + str(each));
  drain();
  if (count > 0) sequences(handle(number).store).append(inner(number), static_cast<int>(count / each), from);
}
bool Executor::kv(int number, KvShape& shape) const {
  if (number < 0 || number >= static_cast<int>(handles_.size()) || handles_[number].store < 0) return false;
  const Handle& h = handles_[number];
  const mj_kv_options& o = stores_[h.store].options;
  shape = {h.store, o.layers, o.kv_heads, o.head_dim, sequences(h.store).length(h.inner)};
  return true;
}

// -------------------------------------------------------------------------------------------------------- registers

const Value* Executor::persistent(int reg) const {
  auto found = results_.find(reg);
  return found == results_.end() ? nullptr : &found->second.value;
}
void Executor::exec(const int32_t* tape, int length) {
  flush();
  Program program = decode(tape, length, *this);
  std::vector<mx::array> inputs;
  std::vector<OutcomePtr> needed;
  inputs.reserve(program.inputs.size()), needed.reserve(program.inputs.size());
  for (auto& port : program.inputs) {
    const Result& earlier = results_.at(port.reg);
    inputs.push_back(earlier.array);
    if (earlier.outcome) needed.push_back(earlier.outcome);
  }
  std::vector<Program::Port> ports = program.outputs;
  std::vector<Value> values;
  values.reserve(ports.size());
  for (auto& port : ports) values.push_back(program.values[port.value]);
  Submitted step = run(std::move(program), std::move(inputs), std::move(needed));
  std::erase_if(results_, [](auto& entry) { return entry.first >= kPersistentRegisters; });
  for (size_t i = 0; i < ports.size(); ++i)
    results_.insert_or_assign(ports[i].reg, Result{values[i], std::move(step.arrays[i]), step.outcome});
}
const Executor::Result& Executor::result(int reg, Value::Kind kind) const {
  auto found = results_.find(reg);
  if (found == results_.end())
    throw std::invalid_argument("register " + str(reg) + " holds nothing: name it in OP_EVAL");
  if (found->second.value.kind != kind)
    throw std::invalid_argument("register " + str(reg) +
                                (kind == Value::tokens ? " holds no tokens" : " holds no numbers"));
  return found->second;
}
void Executor::wait(mx::array& array, const Result& result) {
  array.eval();
  if (result.outcome && !result.outcome->error.empty()) throw std::runtime_error(result.outcome->error);
}
int64_t Executor::read_tokens(int reg, int32_t* out, int64_t capacity) {
  flush();
  const Result& found = result(reg, Value::tokens);
  mx::array tokens = found.array;
  if (static_cast<int64_t>(tokens.size()) > capacity)
    throw std::invalid_argument("register " + str(reg) + " holds " + str(tokens.size()) +
                                " tokens, there is room for " + str(capacity));
  wait(tokens, found);
  std::memcpy(out, tokens.data<int32_t>(), tokens.nbytes());
  return static_cast<int64_t>(tokens.size());
}
int64_t Executor::read_floats(int reg, float* out, int64_t capacity) {
  flush();
  const Result& found = result(reg, Value::floats);
  mx::array numbers = found.array;
  if (static_cast<int64_t>(numbers.size()) > capacity)
    throw std::invalid_argument("register " + str(reg) + " holds " + str(numbers.size()) +
                                " numbers, there is room for " + str(capacity));
  if (numbers.dtype() != mx::float32) numbers = mx::astype(numbers, mx::float32, stream_);
  wait(numbers, found);
  if (!numbers.flags().row_contiguous) {
    numbers = mx::contiguous(numbers, false, stream_);
    numbers.eval();
  }
  std::memcpy(out, numbers.data<float>(), numbers.nbytes());
  return static_cast<int64_t>(numbers.size());
}

// ----------------------------------------------------------------------------------------------------------- memory

void Executor::clear_cache() { mx::clear_cache(); }

int Executor::collectives(mj_collectives& totals, float*, int) {
  totals = {};
  return 0;
}
mj_memory Executor::memory() const {
  mj_memory m{mx::get_active_memory(), mx::get_peak_memory(), mx::get_cache_memory(), 0, 0, mx::get_memory_limit()};
  for (size_t bytes : weight_bytes_) m.weights += bytes;
  for (auto& s : stores_)
    if (s.sequences) m.kv += s.sequences->stats().bytes_used;
  return m;
}

}  // namespace mj
