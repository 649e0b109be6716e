// A packed weight matrix and the memory it lies in. Knows layouts, not arithmetic.
#pragma once
#include "cpu.h"
#include "kernels/kernels.h"

namespace mj::cpu {

// Large pages where the system gives them: weights are read at ~26 GB/s a thread from 2 MiB pages, 19 from 4 KiB ones.
// Small matrices share a slab; a slab goes back to the system with its last matrix.
class WeightMemory {
 public:
  explicit WeightMemory(size_t bytes);
  uint8_t* data() const { return data_; }

 private:
  std::shared_ptr<void> slab_;
  uint8_t* data_;
};

class Matrix {
 public:
  Matrix(const PackedWeight& shape, size_t bytes) : packed(shape), bytes(bytes), memory(bytes) {
    packed.data = memory.data();
  }
  PackedWeight packed;
  size_t bytes;
  uint8_t* data() { return memory.data(); }

 private:
  WeightMemory memory;
};

float half_to_float(uint16_t);
float bf16_to_float(uint16_t);

}  // namespace mj::cpu
