#include "fault-orders.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace mj {

FaultOrders::FaultOrders() {
  if (const char* folder = std::getenv("MLX_CLUSTER_TEST_FAULTS"); folder && *folder)
    path_ = std::string(folder) + "/" + std::to_string(::getpid());
}

Orders FaultOrders::next() {
  if (path_.empty()) return {};
  if (std::ifstream file(path_); file) {
    for (std::string word; file >> word;) {
      const size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      const int64_t value = equals == std::string::npos ? 1 : std::atoll(word.c_str() + equals + 1);
      if (name == "drop") standing_.drop = value != 0;
      else if (name == "corrupt") standing_.corrupt = value != 0;
      else if (name == "cable") standing_.cable = value != 0;
      else if (name == "lat_us") standing_.latency_us = value;
      else if (name == "mbps") standing_.megabytes_per_s = value;
    }
    ::unlink(path_.c_str());
  }
  const Orders now = standing_;
  standing_.drop = standing_.corrupt = false;
  return now;
}

}  // namespace mj
