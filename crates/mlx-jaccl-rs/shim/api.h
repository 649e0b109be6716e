// The border between the addon (Rust) and the shim (C++): one struct of C functions, taken by the only exported symbol
// mj_api(). src/ffi/abi.rs mirrors it field by field; both sides check `abi` and `size` before anything else.
// Functions that return int give 0 (or a number >= 0 where said) and -1 on an error, whose text last_error() holds for
// the calling thread. Nothing throws across this border. An engine is used by the thread that opened it.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define MJ_ABI 7u

extern "C" {

typedef struct mj_engine mj_engine;

typedef struct {
  int32_t gpu;              // 0: CPU, 1: GPU
  int32_t arrays;           // 1: MLX's operations even where own kernels exist
  int32_t threads;          // 0: the cores this process may use
  const char* numeric;      // "int8x2", "fp32", "int8"
  const char* isa;          // "auto", "scalar", "avx2", "avx512", "neon"
  uint64_t cache_limit;     // bytes of MLX's buffer cache; UINT64_MAX: the default of the device
} mj_engine_options;

typedef struct {
  int32_t layers, kv_heads, head_dim;
  uint64_t capacity_bytes;
} mj_kv_options;

typedef struct {
  int64_t blocks_total, blocks_used, block_positions, sequences;
  uint64_t block_bytes, bytes_total, bytes_used;
} mj_kv_stats;

typedef struct {
  uint64_t active, peak, cache, weights, kv, limit;  // bytes
} mj_memory;

typedef struct {
  int32_t rank, size;
  const char* addresses;   // of the ranks' listeners in rank order, "host port,host port,..."; numeric
  const uint8_t* nonce;    // 32 bytes
  int32_t connect_ms, operation_ms;
  int32_t beat_ms, lease_ms, stuck_ms;
  const char* backend;     // "tcp", "jaccl", "jaccl-ring", "ring", "nccl"
  const char* devices;     // of JACCL: cables joined by '+', cells by ',', rows by ';'; "" otherwise
  const char* library;     // of JACCL: path of its transport
  int32_t seals, guard;    // 0: a benchmark goes without the checks
} mj_group_options;

// Collectives of the steps that have run, waiting for other ranks included; bytes are those of this rank's operands.
typedef struct {
  uint64_t operations, bytes;
  double microseconds;
} mj_collectives;

// What a rank says of itself with every beat.
typedef struct {
  uint64_t begun, ended;   // collectives; they differ while the rank is inside one
  uint64_t progress;       // bytes or completions that came
  uint64_t steps;          // command buffers submitted
  uint64_t bytes;          // operands of its collectives
  uint64_t collective_us;  // time inside them, waiting for other ranks included
  int64_t heard_ms;        // since its last beat; -1: never
} mj_rank_counters;

enum { MJ_MOST_RANKS = 8 };

typedef struct {
  int32_t rank, size;
  int32_t guarded;         // waits of the transport end when the group is lost
  int32_t lost;
  int64_t progressed_ms;   // since a collective of this rank ended
  char backend[16];
  char reason[256];        // why it is lost
  mj_rank_counters ranks[MJ_MOST_RANKS];
  int64_t beat_us;         // processor time of this rank's beats
} mj_group_counters;

// Of dense matrices and of the scales of affine ones.
enum { MJ_F32 = 0, MJ_F16 = 1, MJ_BF16 = 2 };

typedef struct mj_api_table {
  uint32_t abi;
  uint32_t size;
  const char* (*last_error)(void);
  const char* (*mlx_version)(void);      // of the library that is loaded
  const char* (*headers_version)(void);  // of the headers the shim was built with
  const char* (*mlx_backend)(void);      // "cpu", "metal" or "cuda"
  const char* (*cpu_isa)(void);          // the best instruction set the own kernels can use here; "" without kernels

  mj_engine* (*open)(const mj_engine_options*);  // null on an error
  void (*close)(mj_engine*);
  const char* (*backend)(mj_engine*);
  int (*threads)(mj_engine*);

  // The data is copied. Rows are outputs.
  int (*weight_dense)(mj_engine*, int id, const void* data, int type, int rows, int columns);
  int (*weight_affine)(mj_engine*, int id, const uint32_t* words, const void* scales, const void* biases,
                       int scale_type, int rows, int columns, int bits, int group);
  int (*weight_mxfp4)(mj_engine*, int id, const uint32_t* words, const uint8_t* scales, int rows, int columns);
  int (*weight_vector)(mj_engine*, int id, const float* values, int n);
  int (*weight_free)(mj_engine*, int id);
  int64_t (*weight_bytes)(mj_engine*, int id);

  int (*kv_store)(mj_engine*, const mj_kv_options*);  // a store number >= 0
  int (*kv_store_free)(mj_engine*, int store);
  int (*kv_open)(mj_engine*, int store);  // a handle >= 0
  int (*kv_fork)(mj_engine*, int handle, int length);
  int (*kv_truncate)(mj_engine*, int handle, int length);
  int (*kv_close)(mj_engine*, int handle);
  int (*kv_length)(mj_engine*, int handle);
  int (*kv_stats)(mj_engine*, int store, mj_kv_stats*);

  int (*exec)(mj_engine*, const int32_t* tape, int length);
  int64_t (*read_tokens)(mj_engine*, int reg, int32_t* out, int64_t capacity);
  int64_t (*read_floats)(mj_engine*, int reg, float* out, int64_t capacity);

  int (*clear_cache)(mj_engine*);
  int (*memory)(mj_engine*, mj_memory*);

  // The rank group of an engine, joined before any weight is loaded.
  int (*group_listen)(mj_engine*, const char* host);  // the port
  int (*group_connect)(mj_engine*, const mj_group_options*);
  int (*group_send)(mj_engine*, int rank, const uint8_t* bytes, int length);
  int (*group_receive)(mj_engine*, int rank, int timeout_ms);  // bytes of the next message, 0: none in time
  int (*group_take)(mj_engine*, int rank, uint8_t* out);       // the message that group_receive found
  void (*group_abort)(const char* reason);      // of all engines of the process; from any thread
  int (*group_counters)(mj_group_counters*);    // 1, or 0 where this process is in no group; from any thread

  // Totals since the start, and the microseconds that each step spent in collectives, oldest first: those of the steps
  // that have ended since the last call, the newest `capacity` of them at most. Returns how many; 0 where MLX runs them.
  int (*collectives)(mj_engine*, mj_collectives*, float* steps, int capacity);

  // Two ranks send each other so many bytes, `rounds` times; every rank calls it while no step runs. us gets the
  // microseconds of each round as rank `from` saw them.
  int (*group_probe)(mj_engine*, int from, int to, int bytes, int rounds, float* us);

  // Positions [from, to) of a sequence as f32: keys [layers, kv heads, to - from, head dim], then values alike; `capacity`
  // numbers, as many as they are. kv_append writes such numbers behind a sequence's last position. Both wait for the
  // submitted steps.
  int (*kv_read)(mj_engine*, int handle, int from, int to, float* out, int64_t capacity);
  int (*kv_append)(mj_engine*, int handle, const float* from, int64_t count);
} mj_api_table;

}  // extern "C"
