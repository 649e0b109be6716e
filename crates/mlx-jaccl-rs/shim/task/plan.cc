// Memory of a step: first fit in an arena, by the last use of each value.
#include "plan.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

namespace mj {

namespace {

constexpr size_t kAlign = 64;  // a cache line, and the widest vector
size_t aligned(size_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

// Free ranges of the arena, in order of address, never touching one another.
class Ranges {
 public:
  size_t take(size_t bytes) {
    for (auto r = free_.begin(); r != free_.end(); ++r)
      if (r->bytes >= bytes) {
        const size_t at = r->at;
        r->at += bytes, r->bytes -= bytes;
        if (r->bytes == 0) free_.erase(r);
        return at;
      }
    // Grow, from the last free range where it ends the arena.
    size_t at = end_;
    if (!free_.empty() && free_.back().at + free_.back().bytes == end_) {
      at = free_.back().at;
      free_.pop_back();
    }
    end_ = at + bytes;
    return at;
  }
  void give(size_t at, size_t bytes) {
    auto next = std::find_if(free_.begin(), free_.end(), [&](auto& r) { return r.at > at; });
    auto r = free_.insert(next, {at, bytes});
    if (r + 1 != free_.end() && r->at + r->bytes == (r + 1)->at) {
      r->bytes += (r + 1)->bytes;
      free_.erase(r + 1);
    }
    if (r != free_.begin() && (r - 1)->at + (r - 1)->bytes == r->at) {
      (r - 1)->bytes += r->bytes;
      free_.erase(r);
    }
  }
  size_t end() const { return end_; }

 private:
  struct Range {
    size_t at, bytes;
  };
  std::vector<Range> free_;
  size_t end_ = 0;
};

size_t bytes_of(const Value& v) { return aligned(static_cast<size_t>(v.rows) * v.width * 4); }

}  // namespace

void Arena::Free::operator()(char* p) const { std::free(p); }

char* Arena::hold(size_t bytes) {
  if (bytes > bytes_ || !memory_) {
    memory_.reset();
    bytes_ = 0;
    const size_t room = aligned(std::max(bytes, kAlign));
    memory_.reset(static_cast<char*>(std::aligned_alloc(kAlign, room)));
    if (!memory_) throw std::bad_alloc();
    bytes_ = room;
  }
  return memory_.get();
}

MoeScratch::MoeScratch(int r, int hidden, int experts, int f, int chosen) {
  size_t at = 0;
  auto room = [&](size_t count) { return std::exchange(at, at + aligned(count * 4)); };
  logits = room(size_t{1} * r * experts);
  rows = room(size_t{1} * r * hidden);
  inner = room(size_t{2} * r * f);
  gated = room(size_t{1} * r * f);
  out = room(size_t{1} * r * hidden);
  shares = room(size_t{1} * r * chosen);
  ids = room(size_t{1} * r * chosen);
  total = at;
}

void place_values(Plan& plan) {
  Program& program = plan.program;
  plan.places.resize(program.values.size());
  for (size_t i = 0; i < program.inputs.size(); ++i) plan.places[program.inputs[i].value] = {Place::input, i};
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    // A value may be named by two registers: both ports get a copy, the first is where it is made.
    Place& place = plan.places[program.outputs[i].value];
    if (place.kind == Place::none) place = {Place::output, i};
  }
  Ranges ranges;
  std::vector<int> ending;
  for (int i = 0; i < static_cast<int>(program.instructions.size()); ++i) {
    const Instruction& in = program.instructions[i];
    for (int v : {in.dst, in.dst2})
      if (v >= 0 && program.values[v].kind != Value::order && plan.places[v].kind == Place::none)
        plan.places[v] = {Place::arena, ranges.take(bytes_of(program.values[v]))};
    size_t scratch = 0;
    if (in.code == OP_MOE) {
      const Value& x = program.values[in.a];
      const auto& o = plan.operands[i];
      scratch = MoeScratch(x.rows, x.width, cpu::matrix_rows(*o.matrix[0]), cpu::matrix_columns(*o.matrix[2]),
                           program.words(in)[5])
                    .total;
      plan.operands[i].scratch = {Place::arena, ranges.take(scratch)};
    }
    // Now, after the last use, the bytes are free for the next instruction.
    ending.assign({in.dst, in.dst2, in.a, in.b});
    for (int k = 0; k < in.list_size; ++k) ending.push_back(program.lists[in.list + k]);
    std::sort(ending.begin(), ending.end());
    ending.erase(std::unique(ending.begin(), ending.end()), ending.end());
    for (int v : ending)
      if (v >= 0 && plan.places[v].kind == Place::arena && program.values[v].last_use <= i)
        ranges.give(plan.places[v].at, bytes_of(program.values[v]));
    if (scratch) ranges.give(plan.operands[i].scratch.at, scratch);
  }
  plan.arena_bytes = ranges.end();
}

}  // namespace mj
