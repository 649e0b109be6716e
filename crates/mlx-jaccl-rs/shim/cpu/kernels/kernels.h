// The border between shim/cpu and its kernels: one table of plain C functions an instruction set. Kernel files include
// only this file, C headers and the intrinsics, and keep everything else in an anonymous namespace, so that no code of
// a wider instruction set can reach a common symbol.
//
// Flags. All files of shim/cpu and of kernels/: -std=c++20 -O3 -ffp-contract=off (results must be equal to the bit
// whichever path computes a row, and the sampler's on every instruction set), never -ffast-math.
//   avx2.cc    + -fno-exceptions -fno-rtti -mavx2 -mfma -mf16c
//   avx512.cc  + -fno-exceptions -fno-rtti -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mf16c
//                -mprefer-vector-width=512
//   neon.cc    only on aarch64, + -fno-exceptions -fno-rtti; avx2.cc and avx512.cc only on x86-64; scalar.cc always
//
// Every kernel works on logical vectors of 16 floats and reduces in the same order on every instruction set, so that
// those with FMA (AVX2, AVX-512, NEON) agree to the bit.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace mj::cpu {

constexpr int kLanes = 16;       // outputs of a weight block, floats of a logical vector
constexpr int kQuantGroup = 32;  // activations that share a scale in the int8 modes

// How the weights of a block of 16 outputs lie in memory; lane = output.
//   quantized: per weight group: scales [16], biases [16], then words u32 [group * bits / 32][16]
//     int4, code4: word i holds inputs 8i .. 8i+7: byte b has input 8i+b in its low and 8i+4+b in its high nibble
//     int8:        word i holds inputs 4i .. 4i+3, one a byte
//     weight = scale * code + bias; code is the stored number (int4, int8) or kFp4Codes[number] (code4)
//   dense: elements [k][16]
enum WeightFormat { kInt4, kCode4, kInt8, kDenseF32, kDenseF16, kDenseBf16 };
enum ScaleType { kScaleF32, kScaleF16, kScaleBf16 };

// FP4 (E2M1) as 2 * value + 12: code4 keeps scale / 2 and -6 * scale, so that products stay integers in 0..24.
constexpr uint8_t kFp4Codes[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

struct PackedWeight {
  int format, scale_type, n, k, group;  // group: inputs of a scale, 0 if dense
  size_t block_bytes, group_bytes;      // of 16 outputs; of one weight group in a block
  const uint8_t* data;
};

// y[row][n] = x . w^T + bias + residual for the weight blocks first_block .. last_block - 1.
// x: f32 rows, or records of quantize(); stride in bytes.
struct LinearTask {
  const PackedWeight* w;
  const uint8_t* x;
  size_t x_stride;
  int rows, first_block, last_block;
  const float* bias;      // [n] or null
  const float* residual;  // [rows, n] or null
  float* y;               // [rows, n]
};

// Attention of `rows` query rows against the blocks of one sequence and one kv head.
struct AttendTask {
  float* const* blocks;       // of the sequence
  size_t offset;              // floats from a block's start to this layer and head
  int head_dim, value_stride; // K^T [head_dim][64], then V [64][value_stride]
  int rows;                   // <= kAttendRows
  const float* const* q;      // rows of [head_dim]
  float* const* y;
  const int* position;        // of each row
  int window;                 // 0: none
  float scale, softcap;       // softcap 0: none
  const float* sink;          // per row, or null
  float* scratch;             // attend_scratch(head_dim) floats, 64-byte aligned
};
constexpr int kAttendRows = 48;
constexpr int kAttendTile = 6;
constexpr size_t attend_scratch(int head_dim) {
  return size_t(kAttendRows) * ((head_dim + 15) / 16 * 16) + 2 * kAttendRows + kAttendTile * 64 + 64;
}

struct Kernels {
  // Bytes of a quantized row of k inputs; halves: 2 = int8x2, 1 = int8.
  size_t (*quantized_bytes)(int k, int halves);
  void (*quantize)(const float* x, int k, int halves, uint8_t* record);
  void (*linear_f32)(const LinearTask*);
  void (*linear_int)(const LinearTask*, int halves);
  // weight may be null; the factor is offset + weight.
  void (*rms_norm)(const float* x, const float* weight, float offset, float eps, int width, float* y);
  void (*gated)(const float* gate, const float* up, int n, int activation, float* y);
  void (*add)(const float* a, const float* b, size_t n, float* y);
  void (*scale)(const float* x, size_t n, float factor, float* y);
  void (*softcap)(const float* x, size_t n, float cap, float* y);
  // y may be x; half pairs (i, i + half) are rotated, the rest copied.
  void (*rope_halves)(const float* x, const float* cos, const float* sin, int half, int width, float* y);
  void (*attend)(const AttendTask*);
  // The four of the sampler: no FMA inside, the same bits on every instruction set.
  int (*argmax)(const float* x, int n);  // the first of equal maxima
  double (*sum_exp)(const float* x, int n, float max);
  // Writes the ids with x >= threshold in ascending order; returns their number.
  int (*collect)(const float* x, int n, float threshold, int32_t* ids);
  // argmax of (x[id] - max) * inverse_temperature + noise(key, id) over ids [n], the first of equals. ids must ascend;
  // null: 0 .. n - 1.
  int (*gumbel_argmax)(const float* x, const int32_t* ids, int n, float max, float inverse_temperature,
                       uint64_t key);
};

extern const Kernels kernels_scalar;
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
extern const Kernels kernels_neon;

}  // namespace mj::cpu
