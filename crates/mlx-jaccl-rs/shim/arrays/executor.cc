// Builds the graph of a step and submits it.
#include "executor.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "../platform.h"
#include "mlx/fast.h"
#include "mlx/memory.h"
#include "mlx/ops.h"
#include "mlx/transforms.h"
#include "step.h"

namespace mj {

ArrayExecutor::ArrayExecutor(const mj_engine_options& o)
    : Executor(o.gpu ? mx::Device::gpu : mx::Device::cpu),
      cpu_(!o.gpu),
      cuda_(!cpu_ && backend() == "cuda"),
      weights_(!o.gpu, stream()),
      group_(std::make_shared<SoloGroup>()),
      collective_stream_(o.gpu ? mx::default_stream(mx::Device::cpu) : stream()) {}

std::string ArrayExecutor::backend() const { return cpu_ ? "mlx-cpu" : mlx_backend(); }
void ArrayExecutor::clear_cache() { Executor::clear_cache(); }
void ArrayExecutor::flush() {
  const auto roots = std::exchange(held_back_, {});
  if (!roots.empty()) mx::async_eval(roots);
}

size_t ArrayExecutor::store_dense(int id, const void* data, Elements type, int rows, int columns) {
  return weights_.put_dense(id, data, type, rows, columns);
}
size_t ArrayExecutor::store_affine(int id, const uint32_t* words, const void* scales, const void* biases, Elements type,
                                   int rows, int columns, int bits, int group) {
  return weights_.put_affine(id, words, scales, biases, type, rows, columns, bits, group);
}
size_t ArrayExecutor::store_mxfp4(int id, const uint32_t* words, const uint8_t* scales, int rows, int columns) {
  return weights_.put_mxfp4(id, words, scales, rows, columns);
}
size_t ArrayExecutor::store_vector(int id, const float* values, int n) { return weights_.put_vector(id, values, n); }
std::unique_ptr<Sequences> ArrayExecutor::make_sequences(const mj_kv_options& o) {
  return std::make_unique<ArraySequences>(o, cpu_ ? 4 : 2, stream());
}

Submitted ArrayExecutor::run(Program&& program, std::vector<mx::array> inputs, std::vector<OutcomePtr>) {
  std::vector<mx::array> outputs, roots;
  OutcomePtr outcome;
  {
    Step step{program, {group_, collective_stream_}, {}, {}, {}};
    step.values.resize(program.values.size());
    for (size_t i = 0; i < inputs.size(); ++i) step.values[program.inputs[i].value] = std::move(inputs[i]);
    inputs.clear();
    try {
      make_room(step);
      for (auto& in : program.instructions) build(step, in);
    } catch (...) {
      for (auto& [store, state] : step.before) kv(store).restore(std::move(state));
      throw;
    }
    int reached = 0;
    for (auto& port : program.outputs) {
      outputs.push_back(step.at(port.value));
      reached = std::max(reached, program.values[port.value].depends);
    }
    roots = outputs;
    step.collectives.roots(roots);
    if (ranks() > 1) outcome = step.collectives.outcome();
    // A prefill chunk whose logits nobody asked for: nothing else would write its keys and values.
    if (reached < program.appends)
      for (auto& batch : program.batches)
        if (batch.appends)
          for (auto& s : batch.segments) kv(batch.store).roots(inner(s.handle), roots);
    for (auto& [store, state] : step.before)
      for (auto& copy : kv(store).take_copies()) roots.push_back(std::move(copy));
  }
  // Here the arrays of before the step are let go, so that slice_update writes in place.
  held_back_ = std::move(roots);
  if (ranks() == 1) flush();
  return {std::move(outputs), std::move(outcome)};
}

void ArrayExecutor::build(Step& step, const Instruction& in) {
  const int32_t* w = step.words(in);
  const mx::Stream s = stream();
  auto& out = step.values[in.dst];
  switch (in.code) {
    case OP_TOKENS: out = tokens(step, in); break;
    case OP_EMBED: {
      const mx::Dtype type = weights_.type(in.weight[0]);
      out = matrix_rows(weights_.matrix(in.weight[0], type), step.at(in.a), type, s);
      if (const float scale = as_float(w[3]); scale != 1) out = mx::multiply(*out, mx::array(scale, type), s);
      break;
    }
    case OP_RMS_NORM: out = norm(step.at(in.a), in.weight[0], as_float(w[4]), as_float(w[3])); break;
    case OP_LINEAR: out = linear(step, in); break;
    case OP_ROPE_APPEND: out = rope_append(step, in); break;
    case OP_ATTEND: out = attend(step, in); break;
    case OP_GATED: out = gated(step.at(in.a), w[2]); break;
    case OP_ADD: out = mx::add(step.at(in.a), step.at(in.b), s); break;
    case OP_ROWS: {
      const int n = w[2], first = w[3];
      bool run = true;
      for (int i = 1; i < n && run; ++i) run = w[3 + i] == first + i;
      const mx::array& x = step.at(in.a);
      if (run) out = mx::slice(x, mx::Shape{first, 0}, mx::Shape{first + n, x.shape(1)}, s);
      else out = mx::take(x, mx::array(w + 3, {n}, mx::int32), 0, s);
      break;
    }
    case OP_SCALE: out = mx::multiply(step.at(in.a), mx::array(as_float(w[2]), step.at(in.a).dtype()), s); break;
    case OP_SOFTCAP: {
      const mx::array cap(as_float(w[2]), step.at(in.a).dtype());
      out = mx::multiply(mx::tanh(mx::divide(step.at(in.a), cap, s), s), cap, s);
      break;
    }
    case OP_SAMPLE: {
      const mx::array logits = mx::astype(step.at(in.a), mx::float32, s);
      out = sample_arrays(logits, w + 4, w[3], s);
      if (in.dst2 >= 0) {
        const mx::array chosen = mx::take_along_axis(logits, mx::expand_dims(*out, 1, s), 1, s);
        step.values[in.dst2] = mx::subtract(chosen, mx::logsumexp(logits, 1, true, s), s);
      }
      break;
    }
    case OP_ALL_SUM: out = step.collectives.sum(step.at(in.a), s); break;
    case OP_ALL_GATHER: out = step.collectives.gather(step.at(in.a), s); break;
    case OP_EMBED_PART: out = embed_part(step, in); break;
    case OP_GATHER_COLUMNS: out = gather_columns(step, in); break;
    case OP_BEST_TOKEN: out = best_token(step, in); break;
    case OP_MOE: out = moe(step, in); break;
    case OP_CONCAT: {
      std::vector<mx::array> parts;
      for (int i = 0; i < in.list_size; ++i) parts.push_back(step.at(step.program.lists[in.list + i]));
      out = mx::concatenate(std::move(parts), 1, s);
      break;
    }
    case OP_ADJUST: {
      const mx::array logits = mx::astype(step.at(in.a), mx::float32, s);
      out = adjust_arrays(logits, in.b < 0 ? nullptr : &step.at(in.b), w + 4, w[3], s);
      break;
    }
    case OP_MASK: out = mask_arrays(step.at(in.a), w + 3, w[2], s); break;
    case OP_HASH: out = hash_array(step.at(in.a), s); break;
    case OP_BATCH:
    case OP_EVAL: break;
  }
}

mx::array ArrayExecutor::tokens(Step& step, const Instruction& in) {
  const int32_t* entries = step.words(in) + 3;
  const int n = step.words(in)[2];
  const bool all_new = std::all_of(entries, entries + n, [](int32_t e) { return e >= 0; });
  if (all_new) return mx::array(entries, {n}, mx::int32);
  const mx::array& previous = step.at(in.a);
  bool same = previous.shape(0) == n;
  for (int i = 0; i < n && same; ++i) same = entries[i] == -(i + 1);
  if (same) return previous;
  // Earlier tokens and new ones in one array, and an index into it.
  std::vector<int32_t> fresh, index(n);
  for (int i = 0; i < n; ++i) {
    index[i] = entries[i] < 0 ? -(entries[i] + 1) : previous.shape(0) + static_cast<int>(fresh.size());
    if (entries[i] >= 0) fresh.push_back(entries[i]);
  }
  const int count = static_cast<int>(fresh.size());
  const mx::array all =
      count == 0 ? previous
                 : mx::concatenate({previous, mx::array(fresh.data(), {count}, mx::int32)}, 0, stream());
  return mx::take(all, mx::array(index.data(), {n}, mx::int32), 0, stream());
}

mx::array ArrayExecutor::norm(const mx::array& x, int weight, float offset, float eps) {
  std::optional<mx::array> w;
  if (weight >= 0) w = weights_.vector(weight, x.dtype(), offset);
  return mx::fast::rms_norm(x, w, eps, stream());
}

mx::array ArrayExecutor::linear(Step& step, const Instruction& in) {
  const mx::array& x = step.at(in.a);
  mx::array y = matrix_product(x, weights_.matrix(in.weight[0], x.dtype()), stream());
  if (in.weight[1] >= 0) y = mx::add(y, weights_.vector(in.weight[1], x.dtype(), 0), stream());
  if (in.b >= 0) y = mx::add(y, step.at(in.b), stream());
  return y;
}

mx::array ArrayExecutor::gated(const mx::array& x, int activation) {
  const mx::Stream s = stream();
  const int rows = x.shape(0), width = x.shape(1) / 2;
  const mx::array gate = mx::slice(x, mx::Shape{0, 0}, mx::Shape{rows, width}, s);
  const mx::array up = mx::slice(x, mx::Shape{0, width}, mx::Shape{rows, 2 * width}, s);
  auto number = [&](float f) { return mx::array(f, x.dtype()); };
  if (activation == ACT_SILU) return mx::multiply(mx::multiply(gate, mx::sigmoid(gate, s), s), up, s);
  mx::array inner = number(0);
  if (activation == ACT_GELU) {
    inner = mx::erf(mx::multiply(gate, number(0.70710678118654752f), s), s);
  } else {
    const mx::array cube = mx::multiply(mx::multiply(gate, gate, s), gate, s);
    inner = mx::add(gate, mx::multiply(cube, number(0.044715f), s), s);
    inner = mx::tanh(mx::multiply(inner, number(0.79788456080286536f), s), s);
  }
  const mx::array half = mx::multiply(gate, number(0.5f), s);
  return mx::multiply(mx::multiply(half, mx::add(inner, number(1), s), s), up, s);
}

std::unique_ptr<Executor> make_array_executor(const mj_engine_options& o) { return std::make_unique<ArrayExecutor>(o); }

}  // namespace mj
