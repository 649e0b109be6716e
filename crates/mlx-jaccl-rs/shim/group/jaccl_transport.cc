#include "jaccl_transport.h"

#include <dlfcn.h>

#include <stdexcept>

namespace mj {

namespace {

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == mark) parts.emplace_back();
    else parts.back() += c;
  }
  return parts;
}

}  // namespace

std::vector<std::vector<std::vector<std::string>>> parse_devices(const std::string& devices) {
  std::vector<std::vector<std::vector<std::string>>> rows;
  for (auto& row : split(devices, ';')) {
    auto& cells = rows.emplace_back();
    for (auto& cell : split(row, ',')) cells.push_back(cell.empty() ? std::vector<std::string>() : split(cell, '+'));
  }
  return rows;
}

std::unique_ptr<Transport> open_jaccl(const std::string& library, const JacclOptions& options) {
  if (library.empty()) throw std::invalid_argument("where JACCL's transport lies was not told");
  // Never closed: its threads and the verbs it has wrapped cannot be taken back.
  void* opened = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!opened) throw std::runtime_error(std::string("JACCL is not here (it needs a Mac with RDMA): ") + ::dlerror());
  const auto* table = static_cast<const JacclLibrary*>(::dlsym(opened, "mj_jaccl"));
  if (!table || table->interface != kJacclInterface)
    throw std::runtime_error(library + " is not the JACCL transport of this program: build both again");
  std::string problem;
  std::unique_ptr<Transport> transport(table->open(options, problem));
  if (!transport) throw std::runtime_error(problem);
  return transport;
}

}  // namespace mj
