// What a transport asks of the group while it waits, and tells it. Virtual, because the JACCL transport is a library of
// its own. From any thread.
#pragma once
#include <cstdint>
#include <string>

namespace mj {

class Watch {
 public:
  virtual ~Watch() = default;
  // Whether the collective that runs cannot end: the group is lost, or a peer has left.
  virtual bool is_over() const = 0;
  // Throws "rank group lost: <why>" when it cannot.
  virtual void check() = 0;
  // Ends the group for good, for this reason unless there is one already, and throws "rank group lost: <the reason>".
  [[noreturn]] virtual void fail(const std::string& reason) = 0;
  // Bytes or completions came: the collective that runs is not stuck.
  virtual void progress(uint64_t amount) = 0;
};

}  // namespace mj
