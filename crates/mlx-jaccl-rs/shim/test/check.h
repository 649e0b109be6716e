// A small test runner: TEST("sentence") registers a case, CHECK counts its failures. Also random data and the
// instruction sets of this machine.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cpu.h"

namespace mj::test {

using namespace mj::cpu;

struct Case {
  const char* name;
  std::function<void()> body;
};
std::vector<Case>& cases();
void fail(const char* file, int line, const std::string& what);

struct Register {
  Register(const char* name, std::function<void()> body) { cases().push_back({name, std::move(body)}); }
};
#define MJ_JOIN_(a, b) a##b
#define MJ_JOIN(a, b) MJ_JOIN_(a, b)
#define TEST(name, ...) static const ::mj::test::Register MJ_JOIN(test_, __LINE__)(name, __VA_ARGS__);
#define CHECK(holds, ...)                                                          \
  do {                                                                             \
    if (!(holds)) {                                                                \
      char text[256];                                                              \
      snprintf(text, sizeof text, " " __VA_ARGS__);                                 \
      ::mj::test::fail(__FILE__, __LINE__, std::string(#holds) + " " + text);     \
    }                                                                              \
  } while (0)
#define CHECK_THROWS(type, ...)                                       \
  do {                                                                \
    bool thrown = false;                                              \
    try { __VA_ARGS__; } catch (const type&) { thrown = true; }       \
    CHECK(thrown, #type);                                             \
  } while (0)

inline ContextPtr context(const std::string& isa, int threads = 1, Numeric numeric = Numeric::int8x2) {
  Options o;
  o.threads = threads, o.numeric = numeric, o.isa = isa;
  return make_context(o);
}

// The instruction sets of this machine.
inline std::vector<std::string> isas() {
  std::vector<std::string> found;
  for (auto name : {"scalar", "avx2", "avx512", "neon"}) {
    try {
      context(name);
      found.push_back(name);
    } catch (const std::invalid_argument&) {
    }
  }
  return found;
}

inline std::vector<float> normal(size_t n, uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> d(0, scale);
  std::vector<float> v(n);
  for (auto& x : v) x = d(random);
  return v;
}

inline bool same_bits(const float* a, const float* b, size_t n) { return memcmp(a, b, n * sizeof(float)) == 0; }

// Root of the summed squares of a - b over that of b.
template <class A, class B> double relative_error(const A& a, const B& b) {
  double e = 0, s = 0;
  for (size_t i = 0; i < b.size(); i++) e += (double(a[i]) - b[i]) * (double(a[i]) - b[i]), s += double(b[i]) * b[i];
  return s > 0 ? std::sqrt(e / s) : std::sqrt(e);
}

}  // namespace mj::test
