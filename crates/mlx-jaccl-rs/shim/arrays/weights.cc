// Copies weights into MLX's memory and keeps the variants that operations ask for.
#include "weights.h"

#include <cstring>

#include "mlx/allocator.h"
#include "mlx/ops.h"
#include "mlx/transforms.h"

namespace mj {

namespace {
mx::array copied(const void* data, mx::Shape shape, mx::Dtype type) {
  size_t bytes = mx::size_of(type);
  for (auto n : shape) bytes *= n;
  mx::allocator::Data memory = mx::allocator::malloc(bytes);
  mx::allocator::Buffer buffer = memory.buffer();
  std::memcpy(buffer.raw_ptr(), data, bytes);
  return mx::array(std::move(memory), std::move(shape), type);
}
size_t bytes_of(const ArrayMatrix& m) {
  return m.w.nbytes() + (m.scales ? m.scales->nbytes() : 0) + (m.biases ? m.biases->nbytes() : 0);
}
}  // namespace

// On a CPU everything is f32: MLX's half types are 2 to 35 times slower there.
mx::array ArrayWeights::floats(const void* data, Elements type, int rows, int columns) {
  const mx::Dtype stored = type == Elements::f32 ? mx::float32 : type == Elements::f16 ? mx::float16 : mx::bfloat16;
  mx::array a = copied(data, {rows, columns}, stored);
  if (cpu_ && stored != mx::float32) {
    a = mx::astype(a, mx::float32, stream_);
    a.eval();
  }
  return a;
}
size_t ArrayWeights::put_dense(int id, const void* data, Elements type, int rows, int columns) {
  ArrayMatrix m{floats(data, type, rows, columns), {}, {}};
  return bytes_of(matrices_.insert_or_assign(id, std::move(m)).first->second);
}
size_t ArrayWeights::put_affine(int id, const uint32_t* words, const void* scales, const void* biases, Elements type,
                                int rows, int columns, int bits, int group) {
  ArrayMatrix m{copied(words, {rows, static_cast<int>(int64_t{columns} * bits / 32)}, mx::uint32),
                floats(scales, type, rows, columns / group), floats(biases, type, rows, columns / group), bits, group};
  return bytes_of(matrices_.insert_or_assign(id, std::move(m)).first->second);
}
size_t ArrayWeights::put_mxfp4(int id, const uint32_t* words, const uint8_t* scales, int rows, int columns) {
  ArrayMatrix m{copied(words, {rows, columns / 8}, mx::uint32), copied(scales, {rows, columns / 32}, mx::uint8), {},
                4, 32, "mxfp4"};
  return bytes_of(matrices_.insert_or_assign(id, std::move(m)).first->second);
}
size_t ArrayWeights::put_vector(int id, const float* values, int n) {
  return vectors_.insert_or_assign(id, copied(values, {n}, mx::float32)).first->second.nbytes();
}
void ArrayWeights::drop(int id) {
  matrices_.erase(id);
  vectors_.erase(id);
  variants_.erase(id);
  reciprocals_.erase(id);
}

const ArrayMatrix& ArrayWeights::matrix(int id, mx::Dtype type) {
  ArrayMatrix& m = matrices_.at(id);
  auto cast = [&](mx::array& a) {
    if (a.dtype() == type) return;
    a = mx::astype(a, type, stream_);
    a.eval();
  };
  if (m.bits == 0) cast(m.w);
  else if (m.biases) cast(*m.scales), cast(*m.biases);
  return m;
}
const mx::array& ArrayWeights::vector(int id, mx::Dtype type, float offset) {
  const mx::array& base = vectors_.at(id);
  if (type == mx::float32 && offset == 0) return base;
  auto& variants = variants_[id];
  for (auto& v : variants)
    if (v.type == type && v.offset == offset) return v.array;
  mx::array made = mx::astype(mx::add(base, mx::array(offset), stream_), type, stream_);
  made.eval();
  variants.push_back({type, offset, made});
  return variants.back().array;
}
const mx::array& ArrayWeights::reciprocal(int id) {
  auto found = reciprocals_.find(id);
  if (found != reciprocals_.end()) return found->second;
  mx::array made = mx::reciprocal(vectors_.at(id), stream_);
  made.eval();
  return reciprocals_.emplace(id, made).first->second;
}

mx::array matrix_product(const mx::array& x, const ArrayMatrix& m, mx::Stream s) {
  if (m.bits == 0) return mx::matmul(x, mx::transpose(m.w, s), s);
  return mx::quantized_matmul(x, m.w, *m.scales, m.biases, true, m.group, m.bits, m.mode, s);
}
mx::array matrix_rows(const ArrayMatrix& m, const mx::array& ids, mx::Dtype type, mx::Stream s) {
  if (m.bits == 0) return mx::astype(mx::take(m.w, ids, 0, s), type, s);
  std::optional<mx::array> biases;
  if (m.biases) biases = mx::take(*m.biases, ids, 0, s);
  return mx::dequantize(mx::take(m.w, ids, 0, s), mx::take(*m.scales, ids, 0, s), biases, m.group, m.bits, m.mode,
                        std::nullopt, type, s);
}

}  // namespace mj
