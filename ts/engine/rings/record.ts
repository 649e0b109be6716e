// Token records: what the token half tells the text half. Eight 32-bit words each, the same in the token ring and in
// the body of a frame between processes. Numbers are append-only.
//
//   word 0  kind            word 4  value A (see the kind)
//   word 1  slot            word 5  value B
//   word 2  generation      word 6  value C
//   word 3  model instance  word 7  microseconds, low 32 bits, of the rank's monotonic clock
//
// A slot is one choice of one request; its generation number tells a new user of the slot from an old one.
// Floats travel as bit patterns. A FINISH or ERROR record ends its slot and generation; only the
// STATISTICS of a finish follow it, at once.

export const RECORD_WORDS = 8

export const RecordKind = {
  /** Prefill began. A: prompt tokens, B: cached tokens, C: the id that the cache has behind them instead, plus 1; or 0. */
  started: 1,
  /** A: token id, B: logprob (f32), C: TokenFlag, and from bit REFUSED_SHIFT on the proposed tokens that came to nothing. */
  token: 2,
  /** Follows its token, best first. A: token id, B: logprob (f32). */
  alternative: 3,
  /** A: FinishCode, B: completion tokens, C: queue wait in microseconds. */
  finish: 4,
  /** A: index of the error code in ERROR_CODES. */
  error: 5,
  /** After finish. A: prefill microseconds, B: drafted tokens, C: accepted tokens. */
  statistics: 6,
} as const

export const TokenFlag = {
  /** It ends the answer (an end-of-turn token: no text). */
  ends: 1,
  /** Speculation had proposed it. */
  proposed: 2,
} as const
export const REFUSED_SHIFT = 8

export const FinishCode = { stop: 1, length: 2, cancelled: 3 } as const

export const ERROR_CODES = ["internal", "out_of_memory", "invalid_request", "model_not_found", "overloaded"] as const
