// The exported table: every function is one call of an executor inside guard().
#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "executor.h"
#include "group/rank_group.h"
#include "guard.h"
#include "mlx/memory.h"
#include "mlx/version.h"
#include "platform.h"
#include "task/isa.h"

#define MJ_TEXT_OF(x) #x
#define MJ_TEXT(x) MJ_TEXT_OF(x)

struct mj_engine {
  std::unique_ptr<mj::Executor> executor;
  std::string backend;
  mj::TcpListener listener;
  std::shared_ptr<mj::RankGroup> group;

  mj::RankGroup& joined() const {
    if (!group) throw std::invalid_argument("the engine is in no rank group");
    return *group;
  }
};

namespace {

using mj::Elements;
using mj::guard;

constexpr uint64_t kDefaultCpuCache = uint64_t{1} << 30;  // MLX's own default of 32 MB makes every step allocate

Elements elements(int type) {
  if (type < MJ_F32 || type > MJ_BF16) throw std::invalid_argument("element type " + std::to_string(type));
  return static_cast<Elements>(type);
}
// Runs f(executor) and gives 0.
template <class F>
int call(mj_engine* engine, F&& f) {
  return guard(-1, [&] {
    f(*engine->executor);
    return 0;
  });
}

mj_engine* open_engine(const mj_engine_options* options) {
  return guard(static_cast<mj_engine*>(nullptr), [&] {
    const mlx::core::Device device(options->gpu ? mlx::core::Device::gpu : mlx::core::Device::cpu);
    if (!mlx::core::is_available(device))
      throw std::runtime_error("MLX finds no GPU here: take device \"cpu\", or install mlx-metal or mlx-cuda");
    mlx::core::set_default_device(device);
    if (options->cache_limit != UINT64_MAX) mlx::core::set_cache_limit(options->cache_limit);
    else if (!options->gpu) mlx::core::set_cache_limit(kDefaultCpuCache);
    auto engine = std::make_unique<mj_engine>();
    const bool arrays = options->gpu || options->arrays;
    engine->executor = arrays ? mj::make_array_executor(*options) : mj::make_task_executor(*options);
    engine->backend = engine->executor->backend();
    return engine.release();
  });
}

mj::RankGroupOptions group_options(const mj_group_options& options) {
  mj::RankGroupOptions out;
  out.meeting.rank = options.rank;
  out.meeting.connect_ms = options.connect_ms;
  out.meeting.agreement = std::string(options.backend) + " " + options.devices;
  out.operation_ms = options.operation_ms;
  out.limits = {options.beat_ms, options.lease_ms, options.stuck_ms};
  out.backend = options.backend;
  out.devices = options.devices;
  out.library = options.library;
  out.seals = options.seals != 0;
  out.guard = options.guard != 0;
  std::istringstream addresses(options.addresses);
  for (std::string one; std::getline(addresses, one, ',');) {
    const size_t space = one.find(' ');
    if (space == std::string::npos) throw std::invalid_argument("a rank address without a port: " + one);
    out.meeting.addresses.push_back({one.substr(0, space), one.substr(space + 1)});
  }
  if (static_cast<int>(out.meeting.addresses.size()) != options.size)
    throw std::invalid_argument("addresses of " + std::to_string(out.meeting.addresses.size()) + " ranks, not of " +
                                std::to_string(options.size));
  std::memcpy(out.meeting.nonce.data(), options.nonce, out.meeting.nonce.size());
  return out;
}

mj_rank_counters counters_of(const mj::RankCounters& c, int64_t heard_ms) {
  return {c.begun, c.ended, c.progress, c.steps, c.bytes, c.collective_us, heard_ms};
}

int group_counters(mj_group_counters& out) {
  const auto life = mj::newest_group();
  if (!life) return 0;
  const int64_t now = mj::now_ms();
  out = {};
  out.rank = life->rank();
  out.size = life->size();
  out.guarded = life->is_guarded();
  out.lost = life->is_lost();
  out.progressed_ms = now - life->progressed_ms();
  out.beat_us = life->beat_us();
  life->backend().copy(out.backend, sizeof out.backend - 1);
  if (out.lost) life->reason().copy(out.reason, sizeof out.reason - 1);
  for (int r = 0; r < out.size; ++r) {
    if (r == out.rank) {
      out.ranks[r] = counters_of(life->counters(), 0);
      continue;
    }
    const mj::PeerState peer = life->peer(r);
    out.ranks[r] = counters_of(peer.counters, peer.heard_ms == 0 ? -1 : now - peer.heard_ms);
  }
  return 1;
}

const mj_api_table table = {
    MJ_ABI,
    sizeof(mj_api_table),
    [] { return mj::last_error().c_str(); },
    [] { return mlx::core::version(); },
    [] { return MJ_TEXT(MLX_VERSION_MAJOR) "." MJ_TEXT(MLX_VERSION_MINOR) "." MJ_TEXT(MLX_VERSION_PATCH); },
    [] { return guard("cpu", [] { return mj::mlx_backend(); }); },
    [] { return guard("", [] { return mj::best_isa(); }); },

    open_engine,
    [](mj_engine* e) { guard(0, [&] { return delete e, 0; }); },
    [](mj_engine* e) { return e->backend.c_str(); },
    [](mj_engine* e) { return guard(-1, [&] { return e->executor->threads(); }); },

    [](mj_engine* e, int id, const void* data, int type, int rows, int columns) {
      return call(e, [&](auto& x) { x.put_dense(id, data, elements(type), rows, columns); });
    },
    [](mj_engine* e, int id, const uint32_t* words, const void* scales, const void* biases, int type, int rows,
       int columns, int bits, int group) {
      return call(e, [&](auto& x) {
        x.put_affine(id, words, scales, biases, elements(type), rows, columns, bits, group);
      });
    },
    [](mj_engine* e, int id, const uint32_t* words, const uint8_t* scales, int rows, int columns) {
      return call(e, [&](auto& x) { x.put_mxfp4(id, words, scales, rows, columns); });
    },
    [](mj_engine* e, int id, const float* values, int n) {
      return call(e, [&](auto& x) { x.put_vector(id, values, n); });
    },
    [](mj_engine* e, int id) { return call(e, [&](auto& x) { x.free_weight(id); }); },
    [](mj_engine* e, int id) { return guard(int64_t{-1}, [&] { return e->executor->weight_bytes(id); }); },

    [](mj_engine* e, const mj_kv_options* o) { return guard(-1, [&] { return e->executor->make_store(*o); }); },
    [](mj_engine* e, int store) { return call(e, [&](auto& x) { x.free_store(store); }); },
    [](mj_engine* e, int store) { return guard(-1, [&] { return e->executor->kv_open(store); }); },
    [](mj_engine* e, int h, int length) { return guard(-1, [&] { return e->executor->kv_fork(h, length); }); },
    [](mj_engine* e, int h, int length) { return call(e, [&](auto& x) { x.kv_truncate(h, length); }); },
    [](mj_engine* e, int h) { return call(e, [&](auto& x) { x.kv_close(h); }); },
    [](mj_engine* e, int h) { return guard(-1, [&] { return e->executor->kv_length(h); }); },
    [](mj_engine* e, int store, mj_kv_stats* out) { return call(e, [&](auto& x) { *out = x.kv_stats(store); }); },

    [](mj_engine* e, const int32_t* tape, int length) {
      return call(e, [&](auto& x) {
        x.exec(tape, length);
        if (e->group) e->group->life().step();
      });
    },
    [](mj_engine* e, int reg, int32_t* out, int64_t capacity) {
      return guard(int64_t{-1}, [&] { return e->executor->read_tokens(reg, out, capacity); });
    },
    [](mj_engine* e, int reg, float* out, int64_t capacity) {
      return guard(int64_t{-1}, [&] { return e->executor->read_floats(reg, out, capacity); });
    },

    [](mj_engine* e) { return call(e, [&](auto& x) { x.clear_cache(); }); },
    [](mj_engine* e, mj_memory* out) { return call(e, [&](auto& x) { *out = x.memory(); }); },

    [](mj_engine* e, const char* host) {
      return guard(-1, [&] {
        e->listener = mj::listen_tcp(host);
        return e->listener.port;
      });
    },
    [](mj_engine* e, const mj_group_options* o) {
      return call(e, [&](auto& x) {
        if (e->listener.port == 0) throw std::invalid_argument("a rank listens before it connects");
        auto group = std::make_shared<mj::RankGroup>(e->listener, group_options(*o));
        e->listener = mj::TcpListener();
        x.join(group);
        e->group = std::move(group);
      });
    },
    [](mj_engine* e, int rank, const uint8_t* bytes, int length) {
      return call(e, [&](auto&) { e->joined().messages().send(rank, bytes, length); });
    },
    [](mj_engine* e, int rank, int timeout_ms) {
      return guard(-1, [&] {
        e->executor->flush();
        return static_cast<int>(e->joined().messages().receive(rank, timeout_ms));
      });
    },
    [](mj_engine* e, int rank, uint8_t* out) { return call(e, [&](auto&) { e->joined().messages().take(rank, out); }); },
    [](const char* reason) { guard(0, [&] { return mj::abort_groups(reason), 0; }); },
    [](mj_group_counters* out) { return guard(-1, [&] { return group_counters(*out); }); },

    [](mj_engine* e, mj_collectives* totals, float* steps, int capacity) {
      return guard(-1, [&] { return e->executor->collectives(*totals, steps, capacity); });
    },

    [](mj_engine* e, int from, int to, int bytes, int rounds, float* us) {
      return call(e, [&](auto&) {
        const std::vector<float> found = e->joined().probe(from, to, bytes < 0 ? 0 : bytes, rounds);
        std::copy(found.begin(), found.end(), us);
      });
    },

    [](mj_engine* e, int h, int from, int to, float* out, int64_t capacity) {
      return call(e, [&](auto& x) { x.kv_read(h, from, to, out, capacity); });
    },
    [](mj_engine* e, int h, const float* from, int64_t count) {
      return call(e, [&](auto& x) { x.kv_append(h, from, count); });
    },
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const mj_api_table* mj_api() { return &table; }
