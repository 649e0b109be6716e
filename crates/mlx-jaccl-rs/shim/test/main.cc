// Runs all cases; the last line counts them. An argument picks the cases whose name contains it.
#include "check.h"

namespace mj::test {
namespace {
int failures = 0;
}

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

void fail(const char* file, int line, const std::string& what) {
  if (++failures <= 8) printf("    %s:%d: %s\n", file, line, what.c_str());
}

int run(const char* filter) {
  int passed = 0, failed = 0;
  for (auto& c : cases()) {
    if (filter && !strstr(c.name, filter)) continue;
    failures = 0;
    try {
      c.body();
    } catch (const std::exception& e) {
      fail(c.name, 0, std::string("exception: ") + e.what());
    }
    printf("%s %s\n", failures ? "not ok" : "ok", c.name);
    fflush(stdout);
    (failures ? failed : passed)++;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}

}  // namespace mj::test

int main(int argc, char** argv) { return mj::test::run(argc > 1 ? argv[1] : nullptr); }
