// JACCL reads a device file with nlohmann::json. Here devices are told to it, never read from a file: this has the names
// that its code uses, and refuses.
#pragma once
#include <istream>
#include <stdexcept>
#include <string>

namespace nlohmann {

class json {
 public:
  using iterator = json*;
  static json parse(std::istream&) { throw std::runtime_error("this build of JACCL reads no device files"); }
  bool is_array() const { return false; }
  bool is_string() const { return false; }
  bool is_null() const { return true; }
  size_t size() const { return 0; }
  json& operator[](size_t) { return *this; }
  iterator begin() { return this; }
  iterator end() { return this; }
  operator std::string() const { return {}; }
};

}  // namespace nlohmann
