// The collectives of one rank group, as a step's task calls them: blocking, in the same order on all ranks.
// Implementations: SoloGroup (below) and RankGroup (group/).
#pragma once
#include <cstddef>
#include <cstring>

namespace mj {

class Group {
 public:
  virtual ~Group() = default;
  virtual int size() const = 0;
  virtual int rank() const = 0;
  // out = sum over the ranks, the same bits on every rank; out may be in. Throws when a peer is lost.
  virtual void all_sum(const float* in, size_t n, float* out) = 0;
  // out [rows, ranks * width] from in [rows, width], in rank order.
  virtual void all_gather(const float* in, int rows, int width, float* out) = 0;
};

class SoloGroup final : public Group {
 public:
  int size() const override { return 1; }
  int rank() const override { return 0; }
  void all_sum(const float* in, size_t n, float* out) override {
    if (out != in) std::memcpy(out, in, n * sizeof(float));
  }
  void all_gather(const float* in, int rows, int width, float* out) override {
    all_sum(in, static_cast<size_t>(rows) * width, out);
  }
};

}  // namespace mj
