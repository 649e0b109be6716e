// Weights as MLX arrays, in the type of the activations that meet them. Knows no registers.
#pragma once
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../executor.h"

namespace mj {

// A matrix [rows, columns]: dense, or packed as quantized_matmul takes it.
struct ArrayMatrix {
  mx::array w;  // dense [rows, columns]; packed u32 [rows, columns * bits / 32]
  std::optional<mx::array> scales, biases;
  int bits = 0, group = 0;  // bits 0: dense
  const char* mode = "affine";
  // The type that activations take from it.
  mx::Dtype type() const { return bits == 0 ? w.dtype() : biases ? scales->dtype() : mx::bfloat16; }
};

class ArrayWeights {
 public:
  ArrayWeights(bool cpu, mx::Stream stream) : cpu_(cpu), stream_(stream) {}
  size_t put_dense(int id, const void* data, Elements, int rows, int columns);
  size_t put_affine(int id, const uint32_t* words, const void* scales, const void* biases, Elements, int rows,
                    int columns, int bits, int group);
  size_t put_mxfp4(int id, const uint32_t* words, const uint8_t* scales, int rows, int columns);
  size_t put_vector(int id, const float* values, int n);
  void drop(int id);

  mx::Dtype type(int id) const { return cpu_ ? mx::float32 : matrices_.at(id).type(); }
  // The matrix with its dense part or its scales in `type`: converted once, in place.
  const ArrayMatrix& matrix(int id, mx::Dtype type);
  const mx::array& vector(int id) const { return vectors_.at(id); }  // f32
  // vector + offset in `type`, computed once.
  const mx::array& vector(int id, mx::Dtype type, float offset);
  const mx::array& reciprocal(int id);  // 1 / vector, computed once: periods from inverse frequencies

 private:
  struct Variant {
    mx::Dtype type;
    float offset;
    mx::array array;
  };
  mx::array floats(const void* data, Elements, int rows, int columns);

  bool cpu_;
  mx::Stream stream_;
  std::unordered_map<int, ArrayMatrix> matrices_;
  std::unordered_map<int, mx::array> vectors_;
  std::unordered_map<int, std::vector<Variant>> variants_;
  std::unordered_map<int, mx::array> reciprocals_;
};

// x [rows, columns] . w^T
mx::array matrix_product(const mx::array& x, const ArrayMatrix&, mx::Stream);
// Rows `ids` of the matrix as numbers of `type`.
mx::array matrix_rows(const ArrayMatrix&, const mx::array& ids, mx::Dtype type, mx::Stream);

}  // namespace mj
