#include "mlx_transport.h"

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "mlx/distributed/distributed.h"
#include "mlx/distributed/ops.h"
#include "mlx/mlx.h"

namespace mj {

namespace {

namespace mx = mlx::core;

constexpr int kWaitMs = 20;  // how late the end of the group may be seen

// A port of this host that nobody uses now.
int free_port(const std::string& host) { return listen_tcp(host).port; }

// What the thread of a transport and its user share; the thread may outlive the user, inside MLX.
struct Desk {
  std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> job;  // empty: done
  std::string problem;
  bool closing = false;
};

void serve(const std::shared_ptr<Desk>& desk) {
  std::unique_lock<std::mutex> lock(desk->mutex);
  while (!desk->closing) {
    desk->changed.wait(lock, [&] { return desk->closing || desk->job; });
    if (!desk->job) continue;
    lock.unlock();
    std::string problem;
    try {
      desk->job();
    } catch (const std::exception& e) {
      problem = *e.what() ? e.what() : "MLX failed";
    }
    lock.lock();
    desk->problem = std::move(problem);
    desk->job = nullptr;
    desk->changed.notify_all();
  }
}

class MlxTransport final : public Transport {
 public:
  MlxTransport(const MlxTransportOptions& options, std::shared_ptr<Life> life, Transport& rendezvous)
      : backend_(options.backend), life_(std::move(life)), operation_ms_(options.operation_ms),
        desk_(std::make_shared<Desk>()) {
    if (!mx::distributed::is_available(backend_))
      throw std::runtime_error(backend_ == "nccl" ? "this MLX has no NCCL: it needs the CUDA build of MLX and an NVIDIA GPU"
                                                  : "this MLX has no backend " + backend_);
    tell_mlx(options, rendezvous);
    std::thread([desk = desk_] { serve(desk); }).detach();
    auto group = std::make_shared<std::optional<mx::distributed::Group>>();
    const bool gpu = backend_ == "nccl";
    // Streams of MLX belong to the thread that made them.
    auto stream = std::make_shared<std::optional<mx::Stream>>();
    run(options.connect_ms, [group, stream, gpu, backend = backend_] {
      stream->emplace(mx::new_stream(gpu ? mx::Device::gpu : mx::Device::cpu));
      group->emplace(mx::distributed::init(true, backend));
    });
    group_ = std::move(group);
    stream_ = std::move(stream);
  }
  ~MlxTransport() override {
    const std::lock_guard<std::mutex> lock(desk_->mutex);
    desk_->closing = true;
    desk_->changed.notify_all();
  }

  const char* name() const override { return backend_.c_str(); }
  bool tells_progress() const override { return false; }

  void all_sum(const float* in, size_t n, float* out) override {
    auto operand = std::make_shared<std::vector<float>>(in, in + n);
    run(operation_ms_, [operand, n, group = group_, stream = stream_] {
      const mx::array x(operand->data(), {static_cast<int>(n)}, mx::float32);
      mx::array sum = mx::distributed::all_sum(x, **group, **stream);
      sum.eval();
      std::memcpy(operand->data(), sum.data<float>(), n * sizeof(float));
    });
    std::copy_n(operand->data(), n, out);
  }
  void all_gather(const void* in, size_t bytes, void* out) override {
    const auto* from = static_cast<const uint8_t*>(in);
    auto operand = std::make_shared<std::vector<uint8_t>>(from, from + bytes);
    run(operation_ms_, [operand, bytes, group = group_, stream = stream_] {
      const mx::array x(operand->data(), {static_cast<int>(bytes)}, mx::uint8);
      mx::array all = mx::distributed::all_gather(x, **group, **stream);
      all.eval();
      operand->assign(all.data<uint8_t>(), all.data<uint8_t>() + all.nbytes());
    });
    std::memcpy(out, operand->data(), operand->size());
  }

 private:
  // MLX reads its ranks from the environment.
  void tell_mlx(const MlxTransportOptions& options, Transport& rendezvous) {
    const size_t size = options.addresses.size();
    std::vector<int32_t> ports(size);
    const int32_t own = free_port(options.addresses[life_->rank()].host);
    rendezvous.all_gather(&own, sizeof own, ports.data());
    ::setenv("MLX_RANK", std::to_string(life_->rank()).c_str(), 1);
    if (backend_ == "nccl") {
      ::setenv("NCCL_HOST_IP", options.addresses[0].host.c_str(), 1);
      ::setenv("NCCL_PORT", std::to_string(ports[0]).c_str(), 1);
      ::setenv("MLX_WORLD_SIZE", std::to_string(size).c_str(), 1);
      return;
    }
    char path[] = "/tmp/mlx-cluster-ring-XXXXXX";
    const int fd = ::mkstemp(path);
    if (fd < 0) throw std::runtime_error("cannot write the list of ranks that MLX's ring reads");
    ::close(fd);
    std::ofstream file(path);
    for (size_t r = 0; r < size; ++r)
      file << (r ? "," : "[") << "[\"" << options.addresses[r].host << ":" << ports[r] << "\"]";
    file << "]";
    file.close();
    ::setenv("MLX_HOSTFILE", path, 1);
    hostfile_ = path;
  }

  // On the thread that speaks with MLX. When the group is over it is left where it stands.
  void run(int timeout_ms, std::function<void()> job) {
    const int64_t deadline = now_ms() + timeout_ms;
    std::unique_lock<std::mutex> lock(desk_->mutex);
    desk_->job = std::move(job);
    desk_->changed.notify_all();
    while (desk_->job) {
      desk_->changed.wait_for(lock, std::chrono::milliseconds(kWaitMs));
      if (!desk_->job) break;
      if (life_->is_over()) life_->check();
      if (now_ms() > deadline) life_->fail("a collective over " + backend_ + " did not end in time");
    }
    if (!hostfile_.empty()) ::unlink(hostfile_.c_str()), hostfile_.clear();
    if (!desk_->problem.empty()) life_->fail(desk_->problem);
  }

  const std::string backend_;
  std::shared_ptr<Life> life_;
  const int operation_ms_;
  std::shared_ptr<Desk> desk_;
  std::shared_ptr<std::optional<mx::distributed::Group>> group_;
  std::shared_ptr<std::optional<mx::Stream>> stream_;
  std::string hostfile_;
};

}  // namespace

std::unique_ptr<Transport> open_mlx_transport(const MlxTransportOptions& options, std::shared_ptr<Life> life,
                                              Transport& rendezvous) {
  return std::make_unique<MlxTransport>(options, std::move(life), rendezvous);
}

}  // namespace mj
