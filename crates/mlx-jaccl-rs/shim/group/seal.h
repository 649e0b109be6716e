// What makes a damaged, lost or shifted message of a collective visible: the number of the operation at both ends of the
// operand, and sums over it that travel with it. Exact for the numbers and for gathered bytes; for sums within what
// rounding can do (docs/faults.md says what that may hide).
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace mj {

// Words of a seal before and after an operand of floats.
constexpr size_t kSealHead = 2, kSealTail = 4;

// The sums over an operand, each element weighted by the block it lies in, so that swapped blocks show.
struct Sums {
  double value = 0, magnitude = 0;
};
Sums sums_of(const float* x, size_t n);

// Writes the head and the tail of this rank's operand; they are summed over the ranks like the operand between them.
void write_head(uint64_t operation, float* head);
void write_tail(uint64_t operation, const Sums&, float* tail);
// What is wrong with a sum over `ranks`: "" for nothing. sums: of the operand between head and tail as it came.
std::string check_sum(uint64_t operation, int ranks, const float* head, const Sums&, const float* tail);

// For bytes that come as they were sent.
uint64_t hash_bytes(const void* bytes, size_t n);

}  // namespace mj
