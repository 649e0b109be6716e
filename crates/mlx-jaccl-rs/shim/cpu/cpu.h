// The door of shim/cpu: what MLX lacks on a CPU, as plain functions over float arrays. Knows nothing of MLX, of the
// command buffer or of JavaScript, so that it is tested alone. All activations are f32, row-major.
//
// One reduction order a kernel: the result of a row does not depend on how many rows come with it, on the chunk it
// came in, or on the number of threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mj::cpu {

enum class Isa { scalar, avx2, avx512, neon };
enum class ElementType { f32, f16, bf16 };
// Activations of a quantized matmul: as they are, or int8 high + low halves (relative error 1.5e-5), or plain int8.
enum class Numeric { fp32, int8x2, int8 };

struct Options {
  int threads = 0;              // 0: the cores this process may really use (cgroup quota, affinity)
  Numeric numeric = Numeric::int8x2;
  std::string isa = "auto";     // or "scalar", "avx2", "avx512", "neon": a smaller one for tests
};

// A weight matrix [n outputs, k inputs], packed for the kernels, in huge pages where the system gives them.
class Matrix;
struct MatrixDeleter { void operator()(Matrix*) const; };
using MatrixPtr = std::unique_ptr<Matrix, MatrixDeleter>;
// MLX's affine layout: words u32 [n, k * bits / 32], scales and biases [n, k / group]. bits 2, 3, 4, 5, 6 or 8.
MatrixPtr pack_affine(const uint32_t* words, const void* scales, const void* biases, ElementType scale_type, int n,
                      int k, int bits, int group);
// MLX's mxfp4: words u32 [n, k / 8], scales u8 (E8M0) [n, k / 32].
MatrixPtr pack_mxfp4(const uint32_t* words, const uint8_t* scales, int n, int k);
MatrixPtr pack_dense(const void* data, ElementType type, int n, int k);
int matrix_rows(const Matrix&);
int matrix_columns(const Matrix&);
size_t matrix_bytes(const Matrix&);

// Threads, kernels of one instruction set and scratch memory. Used by one thread at a time.
class Context;
struct ContextDeleter { void operator()(Context*) const; };
using ContextPtr = std::unique_ptr<Context, ContextDeleter>;
ContextPtr make_context(const Options&);
Isa isa_of(const Context&);
int threads_of(const Context&);

// y [rows, n] = x [rows, k] . w^T (+ bias [n]) (+ residual [rows, n]); residual may be y.
void linear(Context&, const float* x, int rows, const Matrix& w, const float* bias, const float* residual, float* y);
// y [rows, n] = x [rows, k] . w[first .. first + n)^T: one expert of a stack. first and n are multiples of 16, or cover w.
void linear_part(Context&, const float* x, int rows, const Matrix& w, int first, int n, float* y);
// Rows of the table that w is a part of, from its row `first` on; zeros for ids of other parts of the vocabulary.
void embed(Context&, const int32_t* ids, int rows, const Matrix& w, int first, int vocabulary, float scale, float* y);
void rms_norm(Context&, const float* x, int rows, int width, const float* weight, float weight_offset, float eps,
              float* y);
enum class Activation { silu = 0, gelu_tanh = 1, gelu = 2 };
void gated(Context&, const float* gate_up, int rows, int width, Activation, float* y);
void add(Context&, const float* a, const float* b, size_t n, float* y);
void scale(Context&, const float* x, size_t n, float factor, float* y);
void softcap(Context&, const float* x, size_t n, float cap, float* y);

// KV memory of one model: sequences of positions in blocks of kBlock, shared between sequences by reference count and
// copied when a shared block is written. Handles and lengths are the caller's; all calls but apply() and the kernels
// come from the thread that submits steps. A step submitted later may write a block that an earlier step read: steps
// run in the order of submission.
constexpr int kBlock = 64;
struct KvConfig { int layers, kv_heads, head_dim; size_t capacity_bytes; };
class KvStore;
struct KvStoreDeleter { void operator()(KvStore*) const; };
using KvStorePtr = std::unique_ptr<KvStore, KvStoreDeleter>;
KvStorePtr make_kv_store(const KvConfig&);
int kv_open(KvStore&);
int kv_fork(KvStore&, int handle, int length);      // a new handle that shares the first `length` positions
void kv_truncate(KvStore&, int handle, int length); // forgets positions from `length` on
void kv_close(KvStore&, int handle);
int kv_length(const KvStore&, int handle);
struct KvStats { int blocks_total, blocks_used, sequences; size_t bytes_total, bytes_used, block_bytes; };
KvStats kv_stats(const KvStore&);

// What a step reads and writes of one sequence. Made at submission by kv_reserve, used by the kernels.
struct Segment {
  int first_row, rows, start;      // rows of the batch, and the position of the first
  std::vector<float*> blocks;      // addresses of the blocks that hold positions 0 .. start + rows - 1
  std::vector<std::pair<float*, const float*>> copies;  // shared blocks to copy (to, from) before the step writes
};
// Throws std::length_error when no block is free. start must be <= kv_length; positions from start on are rewritten.
Segment kv_reserve(KvStore&, int handle, int first_row, int rows, int start);
void kv_apply_copies(const KvStore&, const Segment&);
// Positions [from, to) as keys [layers, kv heads, to - from, head dim], then values alike. While no step runs.
void kv_read(const KvStore&, int handle, int from, int to, float* out);
// Writes `positions` of them behind the last one. Throws std::length_error when no block is free. While no step runs.
void kv_append(KvStore&, int handle, int positions, const float* from);

struct RopeParameters {
  int query_heads, kv_heads, head_dim, rope_dims, mode;  // mode: 0 none, 1 halves, 2 pairs
  const float* inverse_frequencies;                      // [rope_dims / 2]
  float scale;                                           // of cos and sin
  const float *q_norm, *k_norm;                          // [head_dim] or null
  float norm_offset, norm_eps;
};
// qkv [rows, (query_heads + 2 kv_heads) * head_dim] -> q [rows, query_heads * head_dim]; k and v into the blocks.
void rope_append(Context&, const KvStore&, const float* qkv, const std::vector<Segment>&, int layer,
                 const RopeParameters&, float* q);
struct AttentionParameters { int query_heads, kv_heads, head_dim, window; float scale, softcap; const float* sinks; };
void attend(Context&, const KvStore&, const float* q, const std::vector<Segment>&, int layer,
            const AttentionParameters&, float* y);

// Definitions: opcodes.h, AdjustWord and AdjustEntryWord; `entries` are its words.
struct AdjustRow { float repetition, presence, frequency; int32_t pending; const int32_t* entries; int count; };
// logits [rows, vocabulary] -> y. pending is a token, or -1.
void adjust(Context&, const float* logits, int rows, int vocabulary, const AdjustRow*, float* y);

// Masks of rows in ascending order: bit t % 32 of word t / 32 keeps token t.
struct MaskRow { int row; const int32_t* words; };
// logits [rows, vocabulary] -> y, minus infinity where a masked row has no bit.
void mask(Context&, const float* logits, int rows, int vocabulary, const MaskRow*, int count, float* y);

struct SampleRow {
  float temperature, top_p, min_p;
  int top_k;
  uint64_t seed;
  int position;
  float typical_p = 1, xtc_probability = 0, xtc_threshold = 0;
  int32_t exempt[6] = {-1, -1, -1, -1, -1, -1};
};
// logits [rows, vocabulary] -> tokens [rows], and log-probabilities at temperature 1 of those tokens unless null.
void sample(Context&, const float* logits, int rows, int vocabulary, const SampleRow*, int32_t* tokens,
            float* logprobs);

}  // namespace mj::cpu
