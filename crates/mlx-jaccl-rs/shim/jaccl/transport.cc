// Collectives over JACCL: MLX's own RDMA library, joined through our rendezvous and guarded. The same file runs over
// Thunderbolt on a Mac, with the system's librdma, and over fake verbs in tests.
#include "transport.h"

#include <jaccl/jaccl.h>

#include <memory>
#include <stdexcept>

#include "guard.h"

namespace mj {

namespace {

class JacclTransport final : public Transport {
 public:
  explicit JacclTransport(const JacclOptions& o) : operation_ms_(o.operation_ms), ring_(o.ring) {
    // Without librdma JACCL jumps through a null pointer.
    if (!jaccl::is_available())
      throw std::runtime_error("there is no RDMA here: librdma is missing (macOS 26.2 or newer has it)");
    if (o.guard) guard::install(*o.watch);
    jaccl::Config config;
    config.set_rank(o.rank).set_devices(o.devices).prefer_ring(o.ring).set_all_gather(o.all_gather);
    // JACCL would take the other shape without a word.
    if (!(o.ring ? config.is_valid_ring() : config.is_valid_mesh()))
      throw std::runtime_error(std::string("the cables do not form a ") + (o.ring ? "ring" : "mesh"));
    group_ = jaccl::init(config, true);
    guard::begin(operation_ms_);
    group_->barrier();
    guard::end();
    guarded_ = o.guard && guard::is_used();
  }
  ~JacclTransport() override {
    group_.reset();
    guard::release();
  }

  const char* name() const override { return ring_ ? "jaccl-ring" : "jaccl-mesh"; }
  bool tells_progress() const override { return guarded_; }
  bool is_guarded() const override { return guarded_; }
  void all_sum(const float* in, size_t n, float* out) override {
    guard::begin(operation_ms_);
    group_->all_sum(in, out, n * sizeof(float), jaccl::Float32);
    guard::end();
  }
  void all_gather(const void* in, size_t bytes, void* out) override {
    guard::begin(operation_ms_);
    group_->all_gather(in, out, bytes);
    guard::end();
  }

 private:
  const int operation_ms_;
  const bool ring_;
  bool guarded_ = false;
  std::shared_ptr<jaccl::Group> group_;
};

Transport* open(const JacclOptions& options, std::string& problem) {
  try {
    return new JacclTransport(options);
  } catch (const std::exception& e) {
    guard::release();
    problem = e.what();
  } catch (...) {
    guard::release();
    problem = "JACCL failed with an unknown C++ exception";
  }
  return nullptr;
}

}  // namespace
}  // namespace mj

extern "C" __attribute__((visibility("default"))) const mj::JacclLibrary mj_jaccl;
const mj::JacclLibrary mj_jaccl{mj::kJacclInterface, mj::open};
