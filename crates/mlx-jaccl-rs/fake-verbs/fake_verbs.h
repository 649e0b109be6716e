// What a fake provider of verbs does wrong, as a test orders it: FAKE_VERBS="key=value,..." when the process starts, and
// later a file named by the process' number in the folder MLX_CLUSTER_TEST_FAULTS, which is taken and removed.
//   set-up  none (no device), max_qp=N, max_mr=N, gid=N (place of the IPv4 address; JACCL takes 1), rtr_errno=E
//   once    drop (the next message never arrives), corrupt (an exponent bit of one of its elements flips),
//           send_errno=E (the next post fails)
//   lasting cable (nothing moves any more), lat_us=N (a message is not seen before), mbps=N, flush (a peer that is
//           gone ends what is under way with errors; otherwise there is silence)
#pragma once
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <string>

namespace fake {

class Faults {
 public:
  Faults() {
    if (const char* text = std::getenv("FAKE_VERBS")) take(text);
    if (const char* folder = std::getenv("MLX_CLUSTER_TEST_FAULTS"); folder && *folder)
      path_ = std::string(folder) + "/" + std::to_string(::getpid());
  }
  long get(const std::string& key, long otherwise = 0) {
    if (!ordered_.load(std::memory_order_relaxed)) return otherwise;
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = orders_.find(key);
    return found == orders_.end() ? otherwise : found->second;
  }
  // The order is given once.
  long once(const std::string& key) {
    if (!ordered_.load(std::memory_order_relaxed)) return 0;
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = orders_.find(key);
    if (found == orders_.end()) return 0;
    const long value = found->second;
    orders_.erase(found);
    return value;
  }
  // Looks for new orders.
  void look() {
    if (path_.empty() || ::access(path_.c_str(), R_OK) != 0) return;
    std::string text;
    {
      std::ifstream file(path_);
      std::getline(file, text);
    }
    ::unlink(path_.c_str());
    take(text);
  }

 private:
  void take(const std::string& text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ordered_.store(true, std::memory_order_relaxed);
    for (size_t at = 0; at < text.size();) {
      size_t end = text.find_first_of(", \n", at);
      if (end == std::string::npos) end = text.size();
      const std::string order = text.substr(at, end - at);
      const size_t equals = order.find('=');
      if (!order.empty())
        orders_[order.substr(0, equals)] =
            equals == std::string::npos ? 1 : std::atol(order.c_str() + equals + 1);
      at = end + 1;
    }
  }

  std::atomic<bool> ordered_{false};
  std::mutex mutex_;
  std::map<std::string, long> orders_;
  std::string path_;
};

}  // namespace fake
