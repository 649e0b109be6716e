// Reference counts, copy on write and exhaustion of KV blocks.
#include "check.h"

namespace mj::test {
namespace {

KvStorePtr small(int blocks) {
  auto probe = make_kv_store({1, 1, 16, size_t(1) << 20});
  return make_kv_store({1, 1, 16, kv_stats(*probe).block_bytes * blocks});
}

TEST("blocks come when they are needed and go back when a sequence is cut or closed", [] {
  auto s = small(8);
  const int a = kv_open(*s);
  CHECK(kv_stats(*s).blocks_used == 0 && kv_stats(*s).sequences == 1);
  auto g = kv_reserve(*s, a, 0, 65, 0);
  CHECK(g.blocks.size() == 2 && g.copies.empty() && kv_length(*s, a) == 65);
  kv_truncate(*s, a, 64);
  CHECK(kv_stats(*s).blocks_used == 1);
  auto h = kv_reserve(*s, a, 0, 1, 64);
  CHECK(h.blocks[1] == g.blocks[1], "last freed, first reused");
  kv_close(*s, a);
  CHECK(kv_stats(*s).blocks_used == 0 && kv_stats(*s).sequences == 0);
  CHECK_THROWS(std::out_of_range, kv_length(*s, a));
  CHECK_THROWS(std::out_of_range, kv_close(*s, 99));
})

TEST("a step with no free block is refused and changes nothing", [] {
  auto s = small(3);
  const int a = kv_open(*s);
  kv_reserve(*s, a, 0, 100, 0);
  CHECK_THROWS(std::length_error, kv_reserve(*s, a, 0, 200, 50));
  CHECK(kv_length(*s, a) == 100 && kv_stats(*s).blocks_used == 2);
  const int b = kv_fork(*s, a, 100);
  kv_reserve(*s, a, 0, 1, 100);  // copies the shared tail into the third block
  CHECK(kv_stats(*s).blocks_used == 3);
  CHECK_THROWS(std::length_error, kv_reserve(*s, b, 0, 60, 100));
  CHECK(kv_length(*s, b) == 100);
  CHECK(kv_reserve(*s, b, 0, 1, 100).copies.empty(), "sole owner by now");
  CHECK_THROWS(std::out_of_range, kv_reserve(*s, b, 0, 1, 102));
  CHECK_THROWS(std::invalid_argument, make_kv_store({1, 1, 16, 100}));
})

TEST("a fork shares blocks until one of the owners writes the tail", [] {
  auto s = small(10);
  const int a = kv_open(*s);
  auto g = kv_reserve(*s, a, 0, 150, 0);
  const int b = kv_fork(*s, a, 140), c = kv_fork(*s, a, 128);
  CHECK(kv_stats(*s).blocks_used == 3 && kv_length(*s, b) == 140);
  auto h = kv_reserve(*s, b, 0, 5, 140);
  CHECK(h.blocks[0] == g.blocks[0] && h.blocks[1] == g.blocks[1] && h.blocks[2] != g.blocks[2]);
  CHECK(h.copies.size() == 1 && h.copies[0].first == h.blocks[2] && h.copies[0].second == g.blocks[2]);
  auto i = kv_reserve(*s, c, 0, 5, 128);
  CHECK(i.copies.empty(), "nothing of the past lies in a new block");
  auto j = kv_reserve(*s, c, 0, 100, 64);
  CHECK(j.blocks[1] != g.blocks[1] && j.copies.empty(), "a block rewritten from its start needs no copy");
  CHECK_THROWS(std::out_of_range, kv_fork(*s, a, 151));
  for (int handle : {a, b, c}) kv_close(*s, handle);
  CHECK(kv_stats(*s).blocks_used == 0);
})

TEST("positions that are read and appended again are the same, behind a shared block too", [] {
  constexpr int each = 2 * 2 * 3 * 20;  // numbers of a position
  auto s = make_kv_store({2, 3, 20, size_t(1) << 22});
  auto numbers = [](int positions, int first) {
    std::vector<float> made(size_t(positions) * each);
    for (size_t i = 0; i < made.size(); i++) made[i] = float(first + int(i));
    return made;
  };
  const int a = kv_open(*s);
  const auto head = numbers(70, 0), tail = numbers(90, 100000);
  kv_append(*s, a, 70, head.data());
  const int b = kv_fork(*s, a, 70);
  kv_append(*s, b, 90, tail.data());
  CHECK(kv_length(*s, a) == 70 && kv_length(*s, b) == 160);
  std::vector<float> read(head.size());
  kv_read(*s, a, 0, 70, read.data());
  CHECK(read == head, "what was forked stays as it was");
  kv_read(*s, b, 0, 70, read.data());
  CHECK(read == head);
  read.resize(tail.size());
  kv_read(*s, b, 70, 160, read.data());
  CHECK(read == tail);
  CHECK_THROWS(std::out_of_range, kv_read(*s, b, 0, 161, read.data()));
  auto tiny = make_kv_store({2, 3, 20, 1 << 17});
  const int c = kv_open(*tiny);
  CHECK_THROWS(std::length_error, kv_append(*tiny, c, 3000, numbers(3000, 0).data()));
  for (int handle : {a, b}) kv_close(*s, handle);
  CHECK(kv_stats(*s).blocks_used == 0);
})

TEST("random use of a store never leaks or shares a block that is written", [] {
  std::mt19937 random(4);
  auto s = small(24);
  std::vector<int> open;
  std::vector<std::pair<int, std::vector<float*>>> tables;
  for (int i = 0; i < 4000; i++) {
    const int what = int(random() % 5);
    if (open.empty() || (what == 0 && open.size() < 8)) {
      open.push_back(kv_open(*s));
    } else {
      const size_t at = random() % open.size();
      const int h = open[at], length = kv_length(*s, h);
      if (what == 1) open.push_back(kv_fork(*s, h, int(random() % (length + 1))));
      else if (what == 2) kv_truncate(*s, h, int(random() % (length + 1)));
      else if (what == 3) kv_close(*s, h), open.erase(open.begin() + at);
      else try {
        kv_reserve(*s, h, 0, int(random() % 150) + 1, int(random() % (length + 1)));
      } catch (const std::length_error&) {
        CHECK(kv_length(*s, h) == length);
      }
    }
    const auto stats = kv_stats(*s);
    CHECK(stats.blocks_used >= 0 && stats.blocks_used <= 24 && stats.sequences == int(open.size()));
  }
  for (int h : open) kv_close(*s, h);
  CHECK(kv_stats(*s).blocks_used == 0);
})

}  // namespace
}  // namespace mj::test
