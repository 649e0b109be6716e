// Opens the library of the JACCL transport, and a transport of it.
#pragma once
#include <memory>
#include <string>

#include "../jaccl/transport.h"

namespace mj {

// devices: cables joined by '+', cells by ',', rows by ';'.
std::vector<std::vector<std::vector<std::string>>> parse_devices(const std::string& devices);
// Throws one sentence that says what is missing.
std::unique_ptr<Transport> open_jaccl(const std::string& library, const JacclOptions&);

}  // namespace mj
