// The operations of a plan, one after the other, on the thread of MLX's CPU stream.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "hash.h"
#include "plan.h"
#include "vocabulary.h"

namespace mj {

namespace {

class Runner {
 public:
  Runner(const Plan& plan, Machine& machine, const std::vector<char*>& outputs, const std::vector<const char*>& inputs)
      : plan_(plan), m_(machine), context_(*machine.context), outputs_(outputs), inputs_(inputs) {
    arena_ = machine.arena.hold(plan.arena_bytes);
  }

  void run() {
    for (auto& batch : plan_.batches)
      for (auto& segment : batch.segments) cpu::kv_apply_copies(*batch.store, segment);
    const auto& instructions = plan_.program.instructions;
    for (size_t i = 0; i < instructions.size(); ++i) run(instructions[i], plan_.operands[i]);
    copy_repeated_outputs();
    m_.collectives.step(collectives_, collective_bytes_, collective_us_);
  }

 private:
  char* memory(const Place& place) const {
    switch (place.kind) {
      case Place::arena: return arena_ + place.at;
      case Place::output: return outputs_[place.at];
      case Place::input: return const_cast<char*>(inputs_[place.at]);  // never a destination
      case Place::none: break;
    }
    return nullptr;
  }
  float* floats(int value) const { return reinterpret_cast<float*>(memory(plan_.places[value])); }
  int32_t* ints(int value) const { return reinterpret_cast<int32_t*>(memory(plan_.places[value])); }
  const Value& value(int v) const { return plan_.program.values[v]; }
  size_t count(int v) const { return static_cast<size_t>(value(v).rows) * value(v).width; }

  void run(const Instruction& in, const PlannedInstruction& o) {
    const int32_t* w = plan_.program.words(in);
    switch (in.code) {
      case OP_TOKENS: return tokens(in, w);
      case OP_EMBED:
        return cpu::embed(context_, ints(in.a), value(in.a).rows, *o.matrix[0], 0, cpu::matrix_rows(*o.matrix[0]),
                          as_float(w[3]), floats(in.dst));
      case OP_EMBED_PART:
        return cpu::embed(context_, ints(in.a), value(in.a).rows, *o.matrix[0], w[4], w[5], as_float(w[3]),
                          floats(in.dst));
      case OP_RMS_NORM:
        return cpu::rms_norm(context_, floats(in.a), value(in.a).rows, value(in.a).width, o.vector[0], as_float(w[4]),
                             as_float(w[3]), floats(in.dst));
      case OP_LINEAR:
        return cpu::linear(context_, floats(in.a), value(in.a).rows, *o.matrix[0], o.vector[1],
                           in.b < 0 ? nullptr : floats(in.b), floats(in.dst));
      case OP_ROPE_APPEND: return rope_append(in, w, o);
      case OP_ATTEND: return attend(in, w, o);
      case OP_GATED:
        return cpu::gated(context_, floats(in.a), value(in.a).rows, value(in.dst).width,
                          static_cast<cpu::Activation>(w[2]), floats(in.dst));
      case OP_ADD: return cpu::add(context_, floats(in.a), floats(in.b), count(in.dst), floats(in.dst));
      case OP_ROWS: {
        const size_t width = value(in.a).width;
        for (int i = 0; i < w[2]; ++i)
          std::memcpy(floats(in.dst) + i * width, floats(in.a) + w[3 + i] * width, width * sizeof(float));
        return;
      }
      case OP_SCALE: return cpu::scale(context_, floats(in.a), count(in.dst), as_float(w[2]), floats(in.dst));
      case OP_SOFTCAP: return cpu::softcap(context_, floats(in.a), count(in.dst), as_float(w[2]), floats(in.dst));
      case OP_SAMPLE: return sample(in, w);
      case OP_ALL_SUM:
        return timed(in, [&] { m_.group->all_sum(floats(in.a), count(in.a), floats(in.dst)); });
      case OP_ALL_GATHER:
        return timed(in, [&] { m_.group->all_gather(floats(in.a), value(in.a).rows, value(in.a).width, floats(in.dst)); });
      case OP_GATHER_COLUMNS:
        return timed(in, [&] {
          gather_columns(*m_.group, floats(in.a), value(in.a).rows, w + 3, m_.columns, floats(in.dst));
        });
      case OP_BEST_TOKEN: return best_token(in, w);
      case OP_MOE: return moe(in, w, o);
      case OP_CONCAT: return concat(in);
      case OP_ADJUST: return adjust(in, w);
      case OP_MASK: return mask(in, w);
      case OP_HASH: return hash_floats(floats(in.a), count(in.a), floats(in.dst));
      case OP_BATCH:
      case OP_EVAL: return;
    }
  }

  template <class F>
  void timed(const Instruction& in, F&& collective) {
    const auto begin = std::chrono::steady_clock::now();
    collective();
    if (m_.group->size() == 1) return;
    collective_us_ += std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
    collective_bytes_ += count(in.a) * sizeof(float);
    ++collectives_;
  }
  void tokens(const Instruction& in, const int32_t* w) {
    const int32_t* previous = in.a < 0 ? nullptr : ints(in.a);
    int32_t* out = ints(in.dst);
    for (int i = 0; i < w[2]; ++i) out[i] = w[3 + i] >= 0 ? w[3 + i] : previous[-(w[3 + i] + 1)];
  }
  void rope_append(const Instruction& in, const int32_t* w, const PlannedInstruction& o) {
    const auto& batch = plan_.batches[in.batch];
    const cpu::RopeParameters p{w[4],        w[5],        w[6],        w[7],           w[8],           o.vector[0],
                                as_float(w[13]), o.vector[1], o.vector[2], as_float(w[14]), as_float(w[12])};
    cpu::rope_append(context_, *batch.store, floats(in.a), batch.segments, w[3], p, floats(in.dst));
  }
  void attend(const Instruction& in, const int32_t* w, const PlannedInstruction& o) {
    const auto& batch = plan_.batches[in.batch];
    const cpu::AttentionParameters p{w[4], w[5], w[6], w[8], as_float(w[7]), as_float(w[9]), o.vector[0]};
    cpu::attend(context_, *batch.store, floats(in.a), batch.segments, w[3], p, floats(in.dst));
  }
  void sample(const Instruction& in, const int32_t* w) {
    const int rows = w[3], vocabulary = value(in.a).width;
    rows_.clear();
    for (int i = 0; i < rows; ++i) {
      const int32_t* s = w + 4 + i * SAMPLE_WORDS;
      const uint64_t seed = static_cast<uint32_t>(s[SAMPLE_SEED_LOW]) |
                            static_cast<uint64_t>(static_cast<uint32_t>(s[SAMPLE_SEED_HIGH])) << 32;
      auto& row = rows_.emplace_back(cpu::SampleRow{as_float(s[SAMPLE_TEMPERATURE]), as_float(s[SAMPLE_TOP_P]),
                                                    as_float(s[SAMPLE_MIN_P]), s[SAMPLE_TOP_K], seed,
                                                    s[SAMPLE_POSITION], as_float(s[SAMPLE_TYPICAL_P]),
                                                    as_float(s[SAMPLE_XTC_PROBABILITY]),
                                                    as_float(s[SAMPLE_XTC_THRESHOLD])});
      std::copy_n(s + SAMPLE_EXEMPT, SAMPLE_EXEMPTIONS, row.exempt);
    }
    int32_t* out = ints(in.dst);
    cpu::sample(context_, floats(in.a), rows, vocabulary, rows_.data(), out, in.dst2 < 0 ? nullptr : floats(in.dst2));
    for (int i = 0; i < rows; ++i)
      if (out[i] < 0 || out[i] >= vocabulary)
        throw std::runtime_error("sampling found no token: logits are not numbers");
  }
  void best_token(const Instruction& in, const int32_t* w) {
    const int rows = value(in.a).rows, width = value(in.a).width;
    int32_t* out = ints(in.dst);
    rows_.assign(rows, cpu::SampleRow{});
    cpu::sample(context_, floats(in.a), rows, width, rows_.data(), out, nullptr);
    timed(in, [&] { best_of_ranks(*m_.group, floats(in.a), rows, width, w[2], out); });
  }
  void adjust(const Instruction& in, const int32_t* w) {
    adjustments_.clear();
    const int32_t* at = w + 4;
    for (int i = 0; i < w[3]; ++i) {
      const int pending = at[ADJUST_PENDING];
      adjustments_.push_back({as_float(at[ADJUST_REPETITION]), as_float(at[ADJUST_PRESENCE]),
                              as_float(at[ADJUST_FREQUENCY]), pending < 0 ? -1 : ints(in.b)[pending],
                              at + ADJUST_WORDS, at[ADJUST_COUNT]});
      at += ADJUST_WORDS + at[ADJUST_COUNT] * ENTRY_WORDS;
    }
    cpu::adjust(context_, floats(in.a), w[3], value(in.a).width, adjustments_.data(), floats(in.dst));
  }
  void mask(const Instruction& in, const int32_t* w) {
    const int vocabulary = value(in.a).width, words = mask_words(vocabulary);
    masks_.clear();
    for (int i = 0; i < w[2]; ++i) masks_.push_back({w[3 + i * (1 + words)], w + 4 + i * (1 + words)});
    cpu::mask(context_, floats(in.a), value(in.a).rows, vocabulary, masks_.data(), w[2], floats(in.dst));
  }
  void concat(const Instruction& in) {
    const size_t rows = value(in.dst).rows, width = value(in.dst).width;
    size_t column = 0;
    for (int k = 0; k < in.list_size; ++k) {
      const int part = plan_.program.lists[in.list + k];
      const size_t n = value(part).width;
      for (size_t r = 0; r < rows; ++r)
        std::memcpy(floats(in.dst) + r * width + column, floats(part) + r * n, n * sizeof(float));
      column += n;
    }
  }

  // Every expert runs over the rows that chose it. A row adds up its experts in the order of their numbers, so it does
  // not depend on its company.
  void moe(const Instruction& in, const int32_t* w, const PlannedInstruction& o) {
    const float* x = floats(in.a);
    float* y = floats(in.dst);
    const int rows = value(in.a).rows, hidden = value(in.a).width, chosen = w[5];
    const int experts = cpu::matrix_rows(*o.matrix[0]), inner = cpu::matrix_columns(*o.matrix[2]);
    const MoeScratch at(rows, hidden, experts, inner, chosen);
    char* base = memory(o.scratch);
    auto part = [&](size_t offset) { return reinterpret_cast<float*>(base + offset); };
    float* shares = part(at.shares);
    int32_t* ids = reinterpret_cast<int32_t*>(base + at.ids);
    cpu::linear(context_, x, rows, *o.matrix[0], nullptr, nullptr, part(at.logits));
    for (int r = 0; r < rows; ++r)
      route(part(at.logits) + static_cast<size_t>(r) * experts, experts, chosen, w[7] & 1,
            ids + static_cast<size_t>(r) * chosen, shares + static_cast<size_t>(r) * chosen);
    std::memset(y, 0, count(in.dst) * sizeof(float));
    for (int e = 0; e < experts; ++e) {
      std::vector<int>& picked = m_.picked;  // places in ids
      picked.clear();
      for (int i = 0; i < rows * chosen; ++i)
        if (ids[i] == e) picked.push_back(i);
      if (picked.empty()) continue;
      const int n = static_cast<int>(picked.size());
      for (int i = 0; i < n; ++i)
        std::memcpy(part(at.rows) + static_cast<size_t>(i) * hidden,
                    x + static_cast<size_t>(picked[i] / chosen) * hidden, hidden * sizeof(float));
      cpu::linear_part(context_, part(at.rows), n, *o.matrix[1], e * 2 * inner, 2 * inner, part(at.inner));
      cpu::gated(context_, part(at.inner), n, inner, cpu::Activation::silu, part(at.gated));
      cpu::linear_part(context_, part(at.gated), n, *o.matrix[2], e * hidden, hidden, part(at.out));
      for (int i = 0; i < n; ++i) {
        const float share = shares[picked[i]];
        const float* from = part(at.out) + static_cast<size_t>(i) * hidden;
        float* to = y + static_cast<size_t>(picked[i] / chosen) * hidden;
        for (int k = 0; k < hidden; ++k) to[k] += share * from[k];
      }
    }
  }
  // The `chosen` most likely experts of one row and their probabilities; equal ones by the smaller number.
  static void route(float* logits, int experts, int chosen, bool renormalise, int32_t* ids, float* shares) {
    const float top = *std::max_element(logits, logits + experts);
    float sum = 0;
    for (int e = 0; e < experts; ++e) sum += logits[e] = std::exp(logits[e] - top);
    float kept = 0;
    for (int k = 0; k < chosen; ++k) {
      const int best = static_cast<int>(std::max_element(logits, logits + experts) - logits);
      ids[k] = best, shares[k] = logits[best] / sum, kept += shares[k];
      logits[best] = -1;
    }
    if (renormalise)
      for (int k = 0; k < chosen; ++k) shares[k] /= kept;
  }

  void copy_repeated_outputs() {
    const auto& ports = plan_.program.outputs;
    for (size_t i = 0; i < ports.size(); ++i)
      if (const Place& place = plan_.places[ports[i].value]; place.kind != Place::output || place.at != i)
        std::memcpy(outputs_[i], memory(place), count(ports[i].value) * 4);
  }

  const Plan& plan_;
  Machine& m_;
  cpu::Context& context_;
  const std::vector<char*>& outputs_;
  const std::vector<const char*>& inputs_;
  char* arena_;
  std::vector<cpu::SampleRow> rows_;
  uint64_t collectives_ = 0, collective_bytes_ = 0;
  double collective_us_ = 0;
  std::vector<cpu::AdjustRow> adjustments_;
  std::vector<cpu::MaskRow> masks_;
};

}  // namespace

void run_plan(const Plan& plan, Machine& machine, const std::vector<char*>& outputs,
              const std::vector<const char*>& inputs) {
  Runner(plan, machine, outputs, inputs).run();
}

}  // namespace mj
