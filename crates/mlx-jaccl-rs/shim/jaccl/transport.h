// The border between the shim and the JACCL transport, which is a library of its own: it is opened only where a group
// goes over RDMA, so that the shim loads beside an MLX that has no JACCL.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "../group/transport.h"
#include "../group/watch.h"

namespace mj {

// Changes with anything in the three headers.
inline constexpr int kJacclInterface = 2;

struct JacclOptions {
  int rank = 0;
  std::vector<std::vector<std::vector<std::string>>> devices;  // [rank][towards][cable]
  bool ring = false;
  bool guard = true;
  int operation_ms = 0;
  // Exchanges what the queue pairs of the ranks are called; blocking, with a deadline of its own.
  std::function<void(const char* in, char* out, size_t bytes)> all_gather;
  Watch* watch = nullptr;  // outlives the transport
};

// What the library exports as mj_jaccl. open() gives null and says in `problem` why. One group lives at a time: a
// device has room for the memory regions of one.
struct JacclLibrary {
  int interface;
  Transport* (*open)(const JacclOptions&, std::string& problem);
};

}  // namespace mj
