// How the bytes of collectives move between the ranks: TCP, JACCL, MLX's ring, NCCL. Blocking, in the same order on all
// ranks, one at a time. Knows no operation numbers of steps and checks no contents: rank_group does.
#pragma once
#include <cstddef>

namespace mj {

class Transport {
 public:
  virtual ~Transport() = default;
  // "tcp", "jaccl-mesh", "jaccl-ring", "ring", "nccl".
  virtual const char* name() const = 0;
  // out = sum over the ranks, the same bits on every rank; out may be in.
  virtual void all_sum(const float* in, size_t n, float* out) = 0;
  // out: the bytes of all ranks, one after the other in rank order.
  virtual void all_gather(const void* in, size_t bytes, void* out) = 0;
  // Ranks `from` and `to` send each other so many bytes; every rank calls it. False: the transport has no such way, and
  // nothing has happened.
  virtual bool swap(int from, int to, const void* out, void* in, size_t bytes) {
    (void)from, (void)to, (void)out, (void)in, (void)bytes;
    return false;
  }
  // Whether Watch::progress() is told during a collective, so that one that stands still can be told from a slow one.
  virtual bool tells_progress() const { return true; }
  // Whether waits end when the group is lost. Without it only the end of the process helps.
  virtual bool is_guarded() const { return true; }
};

}  // namespace mj
