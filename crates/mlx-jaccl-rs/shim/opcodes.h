// The command buffer: what one step asks of a back end, as opcodes and integers in one int32 array.
// Numbers are append-only; ts/engine/models/command-buffer.ts writes them and a test holds both lists equal.
//
// Every operation is [opcode, destination register, operands...]. Floats travel as their bit pattern (f32).
// Registers 0..PERSISTENT-1 survive a step (sampled tokens of the previous step); the others end with the step.
// A register holds a row-major array: activations are f32 [rows, width], tokens are i32 [rows].
// -1 stands for an operand that is absent. Weights have a number space of their own (loadWeight).
// `rows` is the number of tokens of the whole batch: the rows of all segments, one after the other.
#pragma once
#include <stdint.h>

namespace mj {

constexpr int kPersistentRegisters = 64;

enum Opcode : int32_t {
  // segments, then per segment: kv handle, rows, position of its first row. Sets the batch of all later operations.
  OP_BATCH = 1,
  // dst, previous register (-1: none), n, then n entries: >= 0 a token id, < 0 element -(entry + 1) of the previous
  // register. dst i32 [n]
  OP_TOKENS = 2,
  // dst, tokens, weight, scale f32. dst f32 [rows, width of the weight]
  OP_EMBED = 3,
  // dst, x, weight (-1: none), eps f32, weight offset f32 (0, or 1 for Gemma's 1 + w)
  OP_RMS_NORM = 4,
  // dst, x, weight, bias weight (-1), residual register (-1: none). dst = x . weight^T + bias + residual
  OP_LINEAR = 5,
  // dst q, order register, qkv, layer, query heads, kv heads, head dim, rope dims, rope mode (RopeMode),
  // inverse frequencies (vector weight, rope dims / 2; -1 with ROPE_NONE), q norm weight (-1), k norm weight (-1),
  // norm eps f32, rope scale f32 (multiplies cos and sin; 1 unless yarn or longrope), norm weight offset f32.
  // qkv is f32 [rows, (query heads + 2 * kv heads) * head dim]: q, then k, then v. Normalises and rotates q and k,
  // appends k and v of every segment to its KV sequence. dst f32 [rows, query heads * head dim].
  OP_ROPE_APPEND = 6,
  // dst, q, order register, layer, query heads, kv heads, head dim, scale f32, window (0: none),
  // softcap f32 (0: none), sinks (vector weight of query heads, -1: none). Row r of a segment at position p sees keys
  // 0..p of its sequence (the last `window` of them). dst f32 [rows, query heads * head dim].
  OP_ATTEND = 7,
  // dst, x f32 [rows, 2 F] (gate, then up), Activation. dst f32 [rows, F] = activation(gate) * up
  OP_GATED = 8,
  // dst, a, b. dst = a + b
  OP_ADD = 9,
  // dst, x, n, then n row numbers. dst f32 [n, width]
  OP_ROWS = 10,
  // dst, x, scale f32
  OP_SCALE = 11,
  // dst, x, cap f32. dst = cap * tanh(x / cap)
  OP_SOFTCAP = 12,
  // dst tokens i32 [n], dst logprobs f32 [n] (register, -1: none), logits f32 [n, vocabulary], n,
  // then per row SAMPLE_WORDS ints (SampleWord). With logprobs: of the token, before temperature.
  OP_SAMPLE = 13,
  // dst, x. Sum over the ranks of the group (no operation in a group of one).
  OP_ALL_SUM = 14,
  // dst, x f32 [rows, width]. dst f32 [rows, width * ranks] in rank order.
  OP_ALL_GATHER = 15,
  // n, then n registers: submit everything they need, without waiting.
  OP_EVAL = 16,
  // dst, x f32 [rows, hidden], router weight, experts gate-up weight, experts down weight, experts a token,
  // RouterKind, flags (1: renormalise the chosen probabilities). dst f32 [rows, hidden]
  // Expert weights are one matrix each. gate-up [experts * 2 F, hidden]: for every expert its F gate rows, then its F
  // up rows. down [experts * hidden, F]. Router [experts, hidden]; its logits and softmax are f32.
  OP_MOE = 17,
  // dst, n, then n registers f32 [rows, width i]. dst f32 [rows, sum of the widths]: joined along the columns (q, k and
  // v of a checkpoint that stores them in different formats).
  OP_CONCAT = 18,
  // dst, logits f32 [n, vocabulary], tokens of the step before (register, -1: none), n, then per row ADJUST_WORDS ints
  // (AdjustWord) and its entries of ENTRY_WORDS ints (AdjustEntryWord). dst f32 [n, vocabulary]
  OP_ADJUST = 19,
  // dst, logits f32 [n, vocabulary], m, then per masked row: its number (ascending), then ceil(vocabulary / 32) words with
  // a bit for each token, the lowest first. dst f32 [n, vocabulary]: tokens without their bit are minus infinity; rows
  // that are not named stay as they are. A row allows one token at least.
  OP_MASK = 20,
  // dst, x f32 [rows, width]. dst f32 [1, kHashParts]: 16 bits of a hash of the elements' bits in each. Equal bits give
  // equal hashes within one back end; one changed element always changes it. Ranks compare theirs by OP_ALL_GATHER.
  OP_HASH = 30,
  // dst, tokens, weight, scale f32, first row, vocabulary. As OP_EMBED where the weight holds the rows from `first row` on
  // of a table of `vocabulary` rows: tokens of other rows give zeros. dst f32 [rows, width of the weight]
  OP_EMBED_PART = 40,
  // dst, x f32 [rows, own width], n, then n widths, those of the x of every rank in rank order.
  // dst f32 [rows, sum of the widths]: as OP_ALL_GATHER, of unequal widths.
  OP_GATHER_COLUMNS = 41,
  // dst, x f32 [rows, own width], first token, vocabulary. The columns are logits of the tokens from `first token` on;
  // the ranks hold all of the vocabulary, in rank order. dst i32 [rows]: the token of the highest logit over all ranks,
  // the first of equal ones.
  OP_BEST_TOKEN = 42,
};

constexpr int kHashParts = 4;
constexpr int kMostVocabulary = 1 << 24;  // ids travel between ranks as f32

enum RopeMode : int32_t { ROPE_NONE = 0, ROPE_HALF = 1, ROPE_PAIRS = 2 };  // halves: (i, i + d/2); pairs: (2i, 2i + 1)
enum Activation : int32_t { ACT_SILU = 0, ACT_GELU_TANH = 1, ACT_GELU = 2 };
enum RouterKind : int32_t { ROUTER_SOFTMAX_TOPK = 0 };

// One row of OP_SAMPLE. temperature 0 is argmax; top_k 0, top_p 1, min_p 0, typical_p 1 and XTC probability 0 are off.
// Each filter judges the distribution of the logits at temperature 1; what all keep is drawn from. Then XTC ("exclude
// top choices"): of the kept tokens whose share of the kept ones is above the threshold, with the given probability
// (one draw a row, keyed by seed and position) all but the least likely go, except the exempt ones.
// The noise of token id t at position p is a function of (seed, p, t) only, so that a row's tokens do not depend on
// its company: Gumbel-max over the kept tokens.
enum SampleWord : int32_t {
  SAMPLE_TEMPERATURE = 0,  // f32
  SAMPLE_TOP_P = 1,        // f32
  SAMPLE_TOP_K = 2,        // i32
  SAMPLE_MIN_P = 3,        // f32
  SAMPLE_SEED_LOW = 4,
  SAMPLE_SEED_HIGH = 5,
  SAMPLE_POSITION = 6,  // of the token that is sampled
  // f32. Keeps the tokens whose surprise is nearest to the entropy, until they hold this much (locally typical sampling,
  // Meister et al. 2023, arXiv 2202.00666).
  SAMPLE_TYPICAL_P = 7,
  SAMPLE_XTC_PROBABILITY = 8,  // f32
  SAMPLE_XTC_THRESHOLD = 9,    // f32
  SAMPLE_EXEMPT = 10,          // SAMPLE_EXEMPTIONS token ids that XTC never drops, -1: none
  SAMPLE_EXEMPTIONS = 6,
  SAMPLE_WORDS = 16,
};

// One row of OP_ADJUST. For a token that has an entry, in this order: l += bias; if repeated, l = l < 0 ? l * repetition
// : l / repetition; if count > 0, l -= presence; l -= frequency * count. Tokens without an entry keep their logit.
enum AdjustWord : int32_t {
  ADJUST_REPETITION = 0,  // f32 above 0; 1 is off
  ADJUST_PRESENCE = 1,    // f32
  ADJUST_FREQUENCY = 2,   // f32
  // Element of the tokens of the step before (-1: none), a token the host does not know yet: it counts as repeated and
  // once more, with or without an entry.
  ADJUST_PENDING = 3,
  ADJUST_COUNT = 4,  // entries
  ADJUST_WORDS = 5,
};
enum AdjustEntryWord : int32_t {
  ENTRY_TOKEN = 0,     // at most one entry a token
  ENTRY_BIAS = 1,      // f32; minus infinity forbids the token
  ENTRY_COUNT = 2,     // how often it was generated
  ENTRY_REPEATED = 3,  // 1: repetition applies
  ENTRY_WORDS = 4,
};

}  // namespace mj
