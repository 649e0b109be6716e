// Deals attention to threads: a piece of work is one sequence, one kv head and a tile of rows, where the query heads
// of a kv head count as rows, so that they share its keys and values.
#include <algorithm>

#include "context.h"
#include "kv_store.h"

namespace mj::cpu {

void attend(Context& c, const KvStore& store, const float* q, const std::vector<Segment>& segments, int layer,
            const AttentionParameters& p, float* y) {
  struct Piece { const Segment* segment; int head, first, count; };  // rows numbered time * group + query head
  const int group = p.query_heads / p.kv_heads, d = p.head_dim;
  std::vector<Piece> pieces;
  for (auto& s : segments) {
    const int rows = s.rows * group;
    // The last tiles see the most keys: they go first, so that no thread begins a long piece at the end.
    for (int first = (rows - 1) / kAttendRows * kAttendRows; first >= 0; first -= kAttendRows)
      for (int head = 0; head < p.kv_heads; head++)
        pieces.push_back({&s, head, first, std::min(kAttendRows, rows - first)});
  }
  auto work = [&](int i, int thread) {
    const Piece& piece = pieces[i];
    const Segment& s = *piece.segment;
    const float* in[kAttendRows];
    float* out[kAttendRows];
    int position[kAttendRows];
    float sink[kAttendRows];
    for (int r = 0; r < piece.count; r++) {
      const int at = piece.first + r, time = at / group, head = piece.head * group + at % group;
      const size_t offset = (size_t(s.first_row + time) * p.query_heads + head) * d;
      in[r] = q + offset;
      out[r] = y + offset;
      position[r] = s.start + time;
      sink[r] = p.sinks ? p.sinks[head] : 0.f;
    }
    const KvLayout& kv = store.layout;
    AttendTask t{s.blocks.data(), kv.offset(layer, piece.head), d, kv.value_stride, piece.count, in, out, position,
                 p.window, p.scale, p.softcap, p.sinks ? sink : nullptr,
                 c.per_thread[thread].floats(attend_scratch(d))};
    c.kernels->attend(&t);
  };
  // Few positions are quicker alone than shared out.
  constexpr size_t kSharedWork = 1 << 15;  // multiply-adds
  size_t total = 0;
  for (auto& s : segments) total += size_t(s.rows) * p.query_heads * d * (s.start + s.rows);
  if (total < kSharedWork) for (size_t i = 0; i < pieces.size(); i++) work(int(i), 0);
  else c.pool.run(int(pieces.size()), work);
}

}  // namespace mj::cpu
