// Packing of weights into blocks of 16 outputs (layouts: kernels/kernels.h) and the huge-page memory that holds them.
#include "matrix.h"

#include <sys/mman.h>

#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>

namespace mj::cpu {
namespace {

constexpr size_t kHugePage = size_t(2) << 20;
constexpr size_t kSlabBytes = size_t(32) << 20;

std::shared_ptr<void> map_huge(size_t bytes) {
  // One page more, so that the slab can begin on a huge page.
  const size_t mapped = bytes + kHugePage;
  void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  auto aligned = (reinterpret_cast<uintptr_t>(base) + kHugePage - 1) / kHugePage * kHugePage;
#ifdef MADV_HUGEPAGE
  madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);
#endif
  return {reinterpret_cast<void*>(aligned), [base, mapped](void*) { munmap(base, mapped); }};
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

// Number `index` of a row of b-bit numbers, which MLX packs into words from the low bit up, across word borders.
inline uint32_t number_at(const uint32_t* words, size_t index, int bits) {
  const size_t bit = index * bits;
  const uint32_t low = words[bit / 32] >> (bit % 32);
  const int have = 32 - int(bit % 32);
  const uint32_t value = have >= bits ? low : low | words[bit / 32 + 1] << have;
  return value & ((1u << bits) - 1);
}

size_t scale_size(int type) { return type == kScaleF32 ? 4 : 2; }

int scale_type_of(ElementType type) {
  return type == ElementType::f32 ? kScaleF32 : type == ElementType::f16 ? kScaleF16 : kScaleBf16;
}

uint16_t to_bf16(float x) {  // of values that bf16 holds exactly
  uint32_t u;
  memcpy(&u, &x, 4);
  return uint16_t(u >> 16);
}

// A word of eight 4-bit numbers, low to high, as bytes of (number j, number 4 + j).
inline uint32_t spread_nibbles(uint32_t word) {
  auto spread = [](uint32_t half) {
    half = (half | half << 8) & 0x00ff00ff;
    return (half | half << 4) & 0x0f0f0f0f;
  };
  return spread(word & 0xffff) | spread(word >> 16) << 4;
}

// Packs words and the scales and biases that put(dst, row, group) writes for one output.
template <class Scales>
MatrixPtr pack_quantized(int format, int scale_type, int n, int k, int group, const uint32_t* source, int bits,
                         Scales scales) {
  const size_t row_words = size_t(k) * bits / 32;
  const int width = format == kInt8 ? 8 : 4, per_word = 32 / width;
  const size_t ss = scale_size(scale_type), head = 2 * ss * kLanes;
  PackedWeight shape{};
  shape.format = format, shape.scale_type = scale_type, shape.n = n, shape.k = k, shape.group = group;
  shape.group_bytes = head + size_t(group) * width / 8 * kLanes;
  shape.block_bytes = shape.group_bytes * (k / group);
  MatrixPtr matrix(new Matrix(shape, shape.block_bytes * ((n + kLanes - 1) / kLanes)));
  uint8_t* out = matrix->data();  // zero: fresh pages, so that the lanes past n hold zero scales
  for (int row = 0; row < n; row++) {
    uint8_t* p = out + size_t(row / kLanes) * shape.block_bytes;
    const int lane = row % kLanes;
    for (int g = 0; g < k / group; g++, p += shape.group_bytes) {
      scales(p + lane * ss, p + (kLanes + lane) * ss, row, g);
      auto words = reinterpret_cast<uint32_t*>(p + head) + lane;
      for (int i = 0; i < group / per_word; i++) {
        const size_t first = size_t(g) * group + size_t(i) * per_word;
        const uint32_t* from = source + row * row_words;
        uint32_t word = 0;
        if (bits == 8) word = from[first / 4];
        else if (bits == 4) word = spread_nibbles(from[first / 8]);
        else for (int j = 0; j < per_word; j++) {
          const int shift = width == 8 ? 8 * j : j < 4 ? 8 * j : 8 * (j - 4) + 4;
          word |= number_at(from, first + j, bits) << shift;
        }
        words[i * kLanes] = word;
      }
    }
  }
  return matrix;
}

}  // namespace

WeightMemory::WeightMemory(size_t bytes) {
  static std::mutex mutex;
  static std::weak_ptr<void> current;
  static size_t used = 0;
  bytes = (bytes + 63) / 64 * 64;
  std::lock_guard lock(mutex);
  auto slab = current.lock();
  if (bytes > kSlabBytes / 2) {
    slab_ = map_huge(bytes);
    data_ = static_cast<uint8_t*>(slab_.get());
    return;
  }
  if (!slab || used + bytes > kSlabBytes) {
    slab = map_huge(kSlabBytes);
    current = slab;
    used = 0;
  }
  slab_ = slab;
  data_ = static_cast<uint8_t*>(slab.get()) + used;
  used += bytes;
}

void MatrixDeleter::operator()(Matrix* m) const { delete m; }
int matrix_rows(const Matrix& m) { return m.packed.n; }
int matrix_columns(const Matrix& m) { return m.packed.k; }
size_t matrix_bytes(const Matrix& m) { return m.bytes; }

float half_to_float(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000) << 16, m = h & 0x7fff;
  uint32_t u;
  if (m >= 0x7c00) u = 0x7f800000 | (m & 0x3ff) << 13;
  else if (m >= 0x400) u = (m << 13) + 0x38000000;
  else { float f = float(m) * 0x1p-24f; memcpy(&u, &f, 4); }
  u |= sign;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

float bf16_to_float(uint16_t b) {
  const uint32_t u = uint32_t(b) << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

MatrixPtr pack_affine(const uint32_t* words, const void* scales, const void* biases, ElementType scale_type, int n,
                      int k, int bits, int group) {
  require(bits == 2 || bits == 3 || bits == 4 || bits == 5 || bits == 6 || bits == 8,
          "affine weight: bits must be 2, 3, 4, 5, 6 or 8");
  require(n > 0 && k > 0 && group > 0 && group % 32 == 0 && k % group == 0,
          "affine weight: the group must be a multiple of 32 and divide the columns");
  const int st = scale_type_of(scale_type), groups = k / group;
  const size_t ss = scale_size(st);
  return pack_quantized(
      bits <= 4 ? kInt4 : kInt8, st, n, k, group, words, bits,
      [=](uint8_t* scale, uint8_t* bias, int row, int g) {
        const size_t at = (size_t(row) * groups + g) * ss;
        memcpy(scale, static_cast<const uint8_t*>(scales) + at, ss);
        memcpy(bias, static_cast<const uint8_t*>(biases) + at, ss);
      });
}

MatrixPtr pack_mxfp4(const uint32_t* words, const uint8_t* scales, int n, int k) {
  require(n > 0 && k > 0 && k % 32 == 0, "mxfp4 weight: columns must be a multiple of 32");
  return pack_quantized(
      kCode4, kScaleBf16, n, k, 32, words, 4,
      [=](uint8_t* scale, uint8_t* bias, int row, int g) {
        const float s = __builtin_ldexpf(1.f, int(scales[size_t(row) * (k / 32) + g]) - 127);
        const uint16_t half = to_bf16(s / 2), offset = to_bf16(-6 * s);
        memcpy(scale, &half, 2);
        memcpy(bias, &offset, 2);
      });
}

MatrixPtr pack_dense(const void* data, ElementType type, int n, int k) {
  require(n > 0 && k > 0, "dense weight: rows and columns must be positive");
  const size_t size = type == ElementType::f32 ? 4 : 2;
  PackedWeight shape{};
  shape.format = type == ElementType::f32 ? kDenseF32 : type == ElementType::f16 ? kDenseF16 : kDenseBf16;
  shape.n = n, shape.k = k;
  shape.block_bytes = size * k * kLanes;
  MatrixPtr matrix(new Matrix(shape, shape.block_bytes * ((n + kLanes - 1) / kLanes)));
  for (int row = 0; row < n; row++) {
    uint8_t* out = matrix->data() + size_t(row / kLanes) * shape.block_bytes + (row % kLanes) * size;
    auto in = static_cast<const uint8_t*>(data) + size_t(row) * k * size;
    if (size == 4) for (int i = 0; i < k; i++) memcpy(out + size_t(i) * kLanes * 4, in + size_t(i) * 4, 4);
    else for (int i = 0; i < k; i++) memcpy(out + size_t(i) * kLanes * 2, in + size_t(i) * 2, 2);
  }
  return matrix;
}

}  // namespace mj::cpu
