// An engine: weights, KV stores and the registers that survive a step. The two ways to run a checked command buffer
// derive from it: TaskExecutor (own kernels, the whole step as one MLX task on a CPU) and ArrayExecutor (every
// operation as MLX operations: Metal, CUDA, and the reference on a CPU). Knows nothing of JavaScript.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api.h"
#include "mlx/array.h"
#include "mlx/stream.h"
#include "group.h"
#include "program.h"

namespace mj {

namespace mx = mlx::core;

enum class Elements { f32 = MJ_F32, f16 = MJ_F16, bf16 = MJ_BF16 };

// The KV sequences of one model. Handles are the store's own numbers.
class Sequences {
 public:
  virtual ~Sequences() = default;
  virtual int open() = 0;
  virtual int fork(int handle, int length) = 0;  // shares the first `length` positions
  virtual void truncate(int handle, int length) = 0;
  virtual void close(int handle) = 0;
  virtual int length(int handle) const = 0;
  virtual mj_kv_stats stats() const = 0;
  // While no step runs. Layout: mj_api_table::kv_read.
  virtual void read(int handle, int from, int to, float* out) = 0;
  virtual void append(int handle, int positions, const float* from) = 0;
};

// How a submitted step ended. Written by the thread that runs it before its outputs are ready, read after. MLX would
// hand an exception of a task to the first waiter only, and breaks when two steps are under way.
struct Outcome {
  std::string error;  // "": well
};
using OutcomePtr = std::shared_ptr<Outcome>;

// Arrays of a step, and how it ended; null: MLX's own errors say all.
struct Submitted {
  std::vector<mx::array> arrays;
  OutcomePtr outcome;
};

class Executor : protected Catalog {
 public:
  ~Executor() override = default;
  virtual std::string backend() const = 0;
  virtual int threads() const = 0;

  void put_dense(int id, const void* data, Elements, int rows, int columns);
  void put_affine(int id, const uint32_t* words, const void* scales, const void* biases, Elements, int rows,
                  int columns, int bits, int group);
  void put_mxfp4(int id, const uint32_t* words, const uint8_t* scales, int rows, int columns);
  void put_vector(int id, const float* values, int n);
  void free_weight(int id);
  int64_t weight_bytes(int id) const;

  int make_store(const mj_kv_options&);
  void free_store(int store);
  int kv_open(int store);
  int kv_fork(int handle, int length);
  void kv_truncate(int handle, int length);
  void kv_close(int handle);
  int kv_length(int handle) const;
  mj_kv_stats kv_stats(int store) const;
  void kv_read(int handle, int from, int to, float* out, int64_t capacity);
  void kv_append(int handle, const float* from, int64_t count);

  // Checks and submits a command buffer. Afterwards only registers named by OP_EVAL and persistent ones can be read.
  void exec(const int32_t* tape, int length);
  // Wait for a register and copy it; the number of elements.
  int64_t read_tokens(int reg, int32_t* out, int64_t capacity);
  int64_t read_floats(int reg, float* out, int64_t capacity);

  // Submits what exec() has held back: a step of several ranks, because submitting one may wait for the other ranks, and
  // these are told of it after exec() only. Reads and the next exec() do so themselves.
  virtual void flush() {}

  virtual void clear_cache();
  // Later steps run their collectives in this group.
  virtual void join(std::shared_ptr<Group>) = 0;
  mj_memory memory() const;
  // Totals, and the microseconds in collectives of the steps that ended since the last call; returns how many.
  virtual int collectives(mj_collectives& totals, float* steps, int capacity);

 protected:
  explicit Executor(mx::Device device);

  // Runs a program and returns its outputs, submitted. inputs: arrays of Program::inputs; needed: the steps they are of.
  virtual Submitted run(Program&&, std::vector<mx::array> inputs, std::vector<OutcomePtr> needed) = 0;
  virtual size_t store_dense(int id, const void* data, Elements, int rows, int columns) = 0;  // these give bytes
  virtual size_t store_affine(int id, const uint32_t* words, const void* scales, const void* biases, Elements, int rows,
                              int columns, int bits, int group) = 0;
  virtual size_t store_mxfp4(int id, const uint32_t* words, const uint8_t* scales, int rows, int columns) = 0;
  virtual size_t store_vector(int id, const float* values, int n) = 0;
  virtual void drop_weight(int id) = 0;
  virtual std::unique_ptr<Sequences> make_sequences(const mj_kv_options&) = 0;

  int ranks() const override { return 1; }
  int rank() const override { return 0; }
  // Waits until every submitted step has run, so that what they read may be freed.
  void drain();
  Sequences& sequences(int store) const { return *stores_[store].sequences; }
  int inner(int handle) const { return handles_[handle].inner; }
  mx::Stream stream() const { return stream_; }
  mx::Device device() const { return device_; }

 private:
  const WeightShape* weight(int id) const override;
  bool kv(int handle, KvShape&) const override;
  const Value* persistent(int reg) const override;

  void new_weight(int id, int rows, int columns);
  void keep_weight(int id, bool matrix, int rows, int columns, size_t bytes);
  struct Result {
    Value value;
    mx::array array;
    OutcomePtr outcome;
  };
  const Result& result(int reg, Value::Kind) const;
  static void wait(mx::array&, const Result&);

  struct Store {
    std::unique_ptr<Sequences> sequences;
    mj_kv_options options;
  };
  struct Handle {
    int store = -1, inner = -1;
  };
  const Store& store(int number) const;
  int64_t position_floats(int handle) const;
  const Handle& handle(int number) const;
  int new_handle(int store, int inner);

  mx::Device device_;
  mx::Stream stream_;
  std::vector<WeightShape> weights_;
  std::vector<size_t> weight_bytes_;
  std::vector<Store> stores_;
  std::vector<Handle> handles_;
  std::vector<int> free_handles_;
  std::unordered_map<int, Result> results_;  // by register
};

std::unique_ptr<Executor> make_array_executor(const mj_engine_options&);
std::unique_ptr<Executor> make_task_executor(const mj_engine_options&);

}  // namespace mj
