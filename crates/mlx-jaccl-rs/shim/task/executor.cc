// The executor over the own kernels: packs weights for them, keeps KV in blocks, and submits a step as one task.
#include "../executor.h"

#include <stdexcept>
#include <string>
#include <unordered_map>

#include "isa.h"
#include "mlx/ops.h"
#include "mlx/transforms.h"
#include "step-task.h"

namespace mj {

namespace {

const char* name_of(cpu::Isa isa) {
  switch (isa) {
    case cpu::Isa::avx512: return "avx512";
    case cpu::Isa::avx2: return "avx2";
    case cpu::Isa::neon: return "neon";
    case cpu::Isa::scalar: break;
  }
  return "scalar";
}
cpu::Numeric numeric_of(const std::string& name) {
  return name == "fp32" ? cpu::Numeric::fp32 : name == "int8" ? cpu::Numeric::int8 : cpu::Numeric::int8x2;
}
cpu::ElementType element_type(Elements e) {
  if (e == Elements::f32) return cpu::ElementType::f32;
  return e == Elements::f16 ? cpu::ElementType::f16 : cpu::ElementType::bf16;
}

class BlockSequences final : public Sequences {
 public:
  explicit BlockSequences(const mj_kv_options& o)
      : store_(cpu::make_kv_store({o.layers, o.kv_heads, o.head_dim, static_cast<size_t>(o.capacity_bytes)})) {}
  int open() override { return cpu::kv_open(*store_); }
  int fork(int handle, int length) override { return cpu::kv_fork(*store_, handle, length); }
  void truncate(int handle, int length) override { cpu::kv_truncate(*store_, handle, length); }
  void close(int handle) override { cpu::kv_close(*store_, handle); }
  int length(int handle) const override { return cpu::kv_length(*store_, handle); }
  mj_kv_stats stats() const override {
    const cpu::KvStats s = cpu::kv_stats(*store_);
    return {s.blocks_total, s.blocks_used, cpu::kBlock, s.sequences, s.block_bytes, s.bytes_total, s.bytes_used};
  }
  void read(int handle, int from, int to, float* out) override { cpu::kv_read(*store_, handle, from, to, out); }
  void append(int handle, int positions, const float* from) override {
    cpu::kv_append(*store_, handle, positions, from);
  }
  cpu::KvStore& store() const { return *store_; }

 private:
  cpu::KvStorePtr store_;
};

class TaskExecutor final : public Executor {
 public:
  explicit TaskExecutor(const mj_engine_options& o) : Executor(mx::Device::cpu), machine_(std::make_shared<Machine>()) {
    machine_->context = cpu::make_context({o.threads, numeric_of(o.numeric), o.isa});
    machine_->group = std::make_shared<SoloGroup>();
  }
  // Tasks that still run use weights and KV.
  ~TaskExecutor() override {
    try {
      drain();
    } catch (...) {  // nobody is left to be told
    }
  }
  std::string backend() const override { return std::string("cpu-") + name_of(cpu::isa_of(*machine_->context)); }
  int threads() const override { return cpu::threads_of(*machine_->context); }
  void join(std::shared_ptr<Group> group) override {
    drain();
    machine_->group = std::move(group);
  }
  int collectives(mj_collectives& totals, float* steps, int capacity) override {
    return machine_->collectives.take(totals, steps, capacity);
  }
  void clear_cache() override {
    drain();
    machine_->arena = Arena();
    Executor::clear_cache();
  }

 protected:
  int ranks() const override { return machine_->group->size(); }
  int rank() const override { return machine_->group->rank(); }
  size_t store_dense(int id, const void* data, Elements type, int rows, int columns) override {
    return keep(id, cpu::pack_dense(data, element_type(type), rows, columns));
  }
  size_t store_affine(int id, const uint32_t* words, const void* scales, const void* biases, Elements type, int rows,
                      int columns, int bits, int group) override {
    return keep(id, cpu::pack_affine(words, scales, biases, element_type(type), rows, columns, bits, group));
  }
  size_t store_mxfp4(int id, const uint32_t* words, const uint8_t* scales, int rows, int columns) override {
    return keep(id, cpu::pack_mxfp4(words, scales, rows, columns));
  }
  size_t store_vector(int id, const float* values, int n) override {
    vectors_[id].assign(values, values + n);
    return n * sizeof(float);
  }
  void drop_weight(int id) override {
    matrices_.erase(id);
    vectors_.erase(id);
  }
  std::unique_ptr<Sequences> make_sequences(const mj_kv_options& o) override {
    return std::make_unique<BlockSequences>(o);
  }

  Submitted run(Program&& program, std::vector<mx::array> inputs, std::vector<OutcomePtr> needed) override {
    auto plan = std::make_shared<Plan>();
    plan->program = std::move(program);
    bind_weights(*plan);
    place_values(*plan);
    try {
      reserve(*plan);
    } catch (...) {
      // Sequences that were reserved already have new blocks whose contents are still to be copied.
      Plan copies;
      copies.batches = std::move(plan->batches);
      submit(std::make_shared<Plan>(std::move(copies)), {}, {});
      for (auto& u : undo_)
        if (u.length < u.sequences->length(u.handle)) u.sequences->truncate(u.handle, u.length);
      throw;
    }
    return submit(std::move(plan), std::move(inputs), std::move(needed));
  }

 private:
  size_t keep(int id, cpu::MatrixPtr matrix) {
    const size_t bytes = cpu::matrix_bytes(*matrix);
    matrices_.insert_or_assign(id, std::move(matrix));
    return bytes;
  }
  void bind_weights(Plan& plan) {
    plan.operands.resize(plan.program.instructions.size());
    for (size_t i = 0; i < plan.operands.size(); ++i)
      for (int slot = 0; slot < 3; ++slot) {
        const int id = plan.program.instructions[i].weight[slot];
        if (id < 0) continue;
        if (auto m = matrices_.find(id); m != matrices_.end()) plan.operands[i].matrix[slot] = m->second.get();
        else plan.operands[i].vector[slot] = vectors_.at(id).data();
      }
  }
  void reserve(Plan& plan) {
    undo_.clear();
    plan.batches.resize(plan.program.batches.size());
    for (size_t b = 0; b < plan.batches.size(); ++b) {
      const Batch& batch = plan.program.batches[b];
      if (!batch.appends) continue;
      auto& sequences = static_cast<BlockSequences&>(this->sequences(batch.store));
      plan.batches[b].store = &sequences.store();
      plan.batches[b].segments.reserve(batch.segments.size());
      for (auto& s : batch.segments) {
        const int handle = inner(s.handle), before = sequences.length(handle);
        plan.batches[b].segments.push_back(cpu::kv_reserve(sequences.store(), handle, s.first_row, s.rows, s.start));
        undo_.push_back({&sequences, handle, before});
      }
    }
  }
  Submitted submit(std::shared_ptr<const Plan> plan, std::vector<mx::array> inputs, std::vector<OutcomePtr> needed) {
    std::vector<mx::Shape> shapes;
    std::vector<mx::Dtype> types;
    for (auto& port : plan->program.outputs) {
      const Value& v = plan->program.values[port.value];
      shapes.push_back(v.kind == Value::tokens ? mx::Shape{v.rows} : mx::Shape{v.rows, v.width});
      types.push_back(v.kind == Value::tokens ? mx::int32 : mx::float32);
    }
    const size_t count = shapes.size();
    if (count == 0) shapes.push_back({1}), types.push_back(mx::float32);  // a step that only fills KV has no output
    auto outcome = std::make_shared<Outcome>();
    auto task = std::make_shared<StepTask>(stream(), std::move(plan), machine_, outcome, std::move(needed));
    auto outputs = mx::array::make_arrays(std::move(shapes), types, std::move(task), inputs);
    mx::async_eval(outputs);
    outputs.resize(count, outputs[0]);
    return {std::move(outputs), std::move(outcome)};
  }

  struct Undo {
    BlockSequences* sequences;
    int handle, length;
  };
  std::shared_ptr<Machine> machine_;
  std::unordered_map<int, cpu::MatrixPtr> matrices_;
  std::unordered_map<int, std::vector<float>> vectors_;
  std::vector<Undo> undo_;  // of the step that is being submitted
};

}  // namespace

const char* best_isa() {
  static const cpu::Isa isa = cpu::isa_of(*cpu::make_context({1, cpu::Numeric::fp32, "auto"}));
  return name_of(isa);
}
std::unique_ptr<Executor> make_task_executor(const mj_engine_options& o) { return std::make_unique<TaskExecutor>(o); }

}  // namespace mj
