#include "hash.h"

#include "../group/seal.h"
#include "../opcodes.h"

namespace mj {

void hash_floats(const float* x, size_t n, float* out) {
  const uint64_t hash = hash_bytes(x, n * sizeof(float));
  for (int part = 0; part < kHashParts; ++part) out[part] = static_cast<float>(hash >> (16 * part) & 0xffff);
}

}  // namespace mj
