// The hash of OP_HASH on the host.
#pragma once
#include <cstddef>

namespace mj {

// out: kHashParts numbers of 16 bits each.
void hash_floats(const float* x, size_t n, float* out);

}  // namespace mj
