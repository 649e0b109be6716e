#include "guard.h"

#include <jaccl/jaccl.h>
#include <time.h>

#include <atomic>
#include <limits>
#include <string>

namespace mj::guard {

namespace {

constexpr uint32_t kClockEvery = 1024;  // empty polls between two looks at the clock

struct State {
  std::atomic<Watch*> watch{nullptr};
  std::atomic<int64_t> deadline_ms{std::numeric_limits<int64_t>::max()};
  std::atomic<bool> used{false};
  // The provider's own; a process has one provider.
  ibv_context* (*open_device)(ibv_device*) = nullptr;
  int (*dereg_mr)(ibv_mr*) = nullptr;
  int (*poll_cq)(ibv_cq*, int, ibv_wc*) = nullptr;
  int (*post_send)(ibv_qp*, ibv_send_wr*, ibv_send_wr**) = nullptr;
  int (*post_recv)(ibv_qp*, ibv_recv_wr*, ibv_recv_wr**) = nullptr;
};
State& state() {
  static State* made = new State;  // JACCL's threads may still poll when statics are destroyed
  return *made;
}

int64_t now_ms() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

int poll_cq(ibv_cq* queue, int n, ibv_wc* done) {
  State& s = state();
  const int count = s.poll_cq(queue, n, done);
  Watch* watch = s.watch.load(std::memory_order_acquire);
  if (!watch) return count;
  if (count > 0) {
    for (int i = 0; i < count; ++i)
      if (done[i].status != IBV_WC_SUCCESS)
        watch->fail("a message over RDMA failed with completion status " + std::to_string(done[i].status));
    s.used.store(true, std::memory_order_relaxed);
    watch->progress(static_cast<uint64_t>(count));
    return count;
  }
  if (count < 0) watch->fail("asking for RDMA completions failed with " + std::to_string(count));
  if (watch->is_over()) watch->check();
  thread_local uint32_t spins = 0;
  if (++spins % kClockEvery == 0 && now_ms() > s.deadline_ms.load(std::memory_order_relaxed))
    watch->fail("a collective over RDMA did not end in time");
  return 0;
}

int post_send(ibv_qp* pair, ibv_send_wr* work, ibv_send_wr** bad) {
  const int error = state().post_send(pair, work, bad);
  Watch* watch = state().watch.load(std::memory_order_acquire);
  if (error && watch) watch->fail("sending over RDMA failed with errno " + std::to_string(error));
  return error;
}
int post_recv(ibv_qp* pair, ibv_recv_wr* work, ibv_recv_wr** bad) {
  const int error = state().post_recv(pair, work, bad);
  Watch* watch = state().watch.load(std::memory_order_acquire);
  if (error && watch) watch->fail("receiving over RDMA failed with errno " + std::to_string(error));
  return error;
}

ibv_context* open_device(ibv_device* device) {
  State& s = state();
  ibv_context* context = s.open_device(device);
  if (!context || context->ops.poll_cq == &poll_cq) return context;
  s.poll_cq = context->ops.poll_cq;
  s.post_send = context->ops.post_send;
  s.post_recv = context->ops.post_recv;
  context->ops.poll_cq = &poll_cq;
  context->ops.post_send = &post_send;
  context->ops.post_recv = &post_recv;
  return context;
}

}  // namespace

void install(Watch& watch) {
  State& s = state();
  s.watch.store(&watch, std::memory_order_release);
  if (s.open_device) return;
  auto& verbs = jaccl::ibv();
  s.open_device = verbs.open_device;
  verbs.open_device = &open_device;
  // JACCL gives back regions that it never got when a registration fails.
  s.dereg_mr = verbs.dereg_mr;
  verbs.dereg_mr = [](ibv_mr* region) { return region ? state().dereg_mr(region) : 0; };
}

void release() { state().watch.store(nullptr, std::memory_order_release); }
bool is_used() { return state().used.load(std::memory_order_relaxed); }

void begin(int64_t deadline_ms) { state().deadline_ms.store(now_ms() + deadline_ms, std::memory_order_relaxed); }
void end() {
  state().deadline_ms.store(std::numeric_limits<int64_t>::max(), std::memory_order_relaxed);
  Watch* watch = state().watch.load(std::memory_order_acquire);
  if (watch && watch->is_over()) watch->check();
}

}  // namespace mj::guard
