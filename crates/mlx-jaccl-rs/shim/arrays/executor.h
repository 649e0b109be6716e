// The executor that turns every operation of a program into MLX operations: Metal, CUDA, and the reference on a CPU.
// Activations are f32 on a CPU; on a GPU they have the type of the embedding's scales (or of its elements).
// One node of the graph per operation where MLX has a fused one: fewer nodes are less host time.
#pragma once
#include "kv.h"
#include "weights.h"

namespace mj {

struct Company;
struct Layout;

class ArrayExecutor final : public Executor {
 public:
  explicit ArrayExecutor(const mj_engine_options&);
  std::string backend() const override;
  int threads() const override { return 0; }
  void clear_cache() override;
  void flush() override;
  void join(std::shared_ptr<Group> group) override {
    drain();
    group_ = std::move(group);
  }

 protected:
  int ranks() const override { return group_->size(); }
  int rank() const override { return group_->rank(); }
  Submitted run(Program&&, std::vector<mx::array> inputs, std::vector<OutcomePtr> needed) override;
  size_t store_dense(int id, const void* data, Elements, int rows, int columns) override;
  size_t store_affine(int id, const uint32_t* words, const void* scales, const void* biases, Elements, int rows,
                      int columns, int bits, int group) override;
  size_t store_mxfp4(int id, const uint32_t* words, const uint8_t* scales, int rows, int columns) override;
  size_t store_vector(int id, const float* values, int n) override;
  void drop_weight(int id) override { weights_.drop(id); }
  std::unique_ptr<Sequences> make_sequences(const mj_kv_options&) override;

 private:
  struct Step;  // a program that is being built

  void build(Step&, const Instruction&);
  mx::array tokens(Step&, const Instruction&);
  mx::array norm(const mx::array& x, int weight, float offset, float eps);
  mx::array linear(Step&, const Instruction&);
  mx::array rope_append(Step&, const Instruction&);
  mx::array rotate(const mx::array& heads, const Instruction&, const int32_t* words, const mx::array& offsets);
  mx::array attend(Step&, const Instruction&);
  mx::array attend_segment(const mx::array& q, const mx::array& k, const mx::array& v, int start, int window,
                           float scale, float softcap, const std::optional<mx::array>& sinks);
  mx::array attend_company(Company&, const mx::array& q, const ArraySequences&, int layer, int window, float scale,
                           float softcap, const std::optional<mx::array>& sinks);
  struct Projected {
    mx::array q, k, v;  // [B, heads, T, dim]
  };
  Projected project(const mx::array& heads, const Instruction&, const int32_t* words, const mx::array& offsets);
  void make_room(Step&);
  Layout lay_out(const Batch&) const;
  mx::array gated(const mx::array& x, int activation);
  mx::array moe(Step&, const Instruction&);
  mx::array embed_part(Step&, const Instruction&);
  mx::array gather_columns(Step&, const Instruction&);
  mx::array best_token(Step&, const Instruction&);
  ArraySequences& kv(int store) const { return static_cast<ArraySequences&>(sequences(store)); }

  bool cpu_, cuda_;
  ArrayWeights weights_;
  std::shared_ptr<Group> group_;
  mx::Stream collective_stream_;
  std::vector<mx::array> held_back_;
};

// logits [rows, vocabulary], rows of SampleWord -> tokens i32 [rows]. Definitions and noise: shim/cpu/sample.
// previous: tokens of the step before, null without pending ones. words: those of OP_ADJUST after the number of rows.
mx::array adjust_arrays(const mx::array& logits, const mx::array* previous, const int32_t* words, int rows, mx::Stream);
// words: those of OP_MASK after the number of masked rows.
mx::array mask_arrays(const mx::array& logits, const int32_t* words, int masked, mx::Stream);
mx::array hash_array(const mx::array& x, mx::Stream);
mx::array sample_arrays(const mx::array& logits, const int32_t* words, int rows, mx::Stream);

}  // namespace mj
