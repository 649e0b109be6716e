// Keeps C++ exceptions on this side of the border: the text of the last one is kept for the thread.
#pragma once
#include <exception>
#include <string>

namespace mj {

inline std::string& last_error() {
  thread_local std::string text;
  return text;
}

// Runs f and gives its value, or `failed` when it threw.
template <class T, class F>
T guard(T failed, F&& f) noexcept {
  try {
    return f();
  } catch (const std::exception& e) {
    try {
      last_error() = e.what();
    } catch (...) {
    }
  } catch (...) {
    try {
      last_error() = "unknown C++ exception";
    } catch (...) {
    }
  }
  return failed;
}

}  // namespace mj
