// Reads a command buffer and checks it against the weights, sequences and registers that exist.
#include <iterator>

#include "decoder.h"

namespace mj {

const char* opcode_name(int32_t code) {
  static constexpr const char* names[] = {
      nullptr,     "OP_BATCH",  "OP_TOKENS", "OP_EMBED", "OP_RMS_NORM", "OP_LINEAR", "OP_ROPE_APPEND",
      "OP_ATTEND", "OP_GATED",  "OP_ADD",    "OP_ROWS",  "OP_SCALE",    "OP_SOFTCAP", "OP_SAMPLE",
      "OP_ALL_SUM", "OP_ALL_GATHER", "OP_EVAL", "OP_MOE", "OP_CONCAT", "OP_ADJUST",
      "OP_MASK"};
  switch (code) {
    case OP_HASH: return "OP_HASH";
    case OP_EMBED_PART: return "OP_EMBED_PART";
    case OP_GATHER_COLUMNS: return "OP_GATHER_COLUMNS";
    case OP_BEST_TOKEN: return "OP_BEST_TOKEN";
  }
  return code > 0 && code < static_cast<int32_t>(std::size(names)) ? names[code] : nullptr;
}

Program decode(const int32_t* tape, int length, const Catalog& catalog) { return Decoder(tape, length, catalog).run(); }

}  // namespace mj
