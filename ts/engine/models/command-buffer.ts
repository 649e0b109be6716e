// The command buffer: one step's operations as opcodes and integers (crates/mlx-jaccl-rs/shim/opcodes.h). Knows no
// arrays and runs nothing; registers and weights are numbers. Methods that compute something return its register.

export type Register = number
export type Weight = number

/** Registers below this survive a step. */
export const PERSISTENT_REGISTERS = 64
export const NONE = -1
/** Elements of a hash. */
export const HASH_PARTS = 4

export const Op = {
  BATCH: 1,
  TOKENS: 2,
  EMBED: 3,
  RMS_NORM: 4,
  LINEAR: 5,
  ROPE_APPEND: 6,
  ATTEND: 7,
  GATED: 8,
  ADD: 9,
  ROWS: 10,
  SCALE: 11,
  SOFTCAP: 12,
  SAMPLE: 13,
  ALL_SUM: 14,
  ALL_GATHER: 15,
  EVAL: 16,
  MOE: 17,
  CONCAT: 18,
  ADJUST: 19,
  MASK: 20,
  HASH: 30,
  EMBED_PART: 40,
  GATHER_COLUMNS: 41,
  BEST_TOKEN: 42,
} as const

export const RopeMode = { NONE: 0, HALF: 1, PAIRS: 2 } as const
export const Activation = { SILU: 0, GELU_TANH: 1, GELU: 2 } as const
export const RouterKind = { SOFTMAX_TOPK: 0 } as const
export const SampleWord = {
  TEMPERATURE: 0,
  TOP_P: 1,
  TOP_K: 2,
  MIN_P: 3,
  SEED_LOW: 4,
  SEED_HIGH: 5,
  POSITION: 6,
  TYPICAL_P: 7,
  XTC_PROBABILITY: 8,
  XTC_THRESHOLD: 9,
  EXEMPT: 10,
  EXEMPTIONS: 6,
  WORDS: 16,
} as const

export const AdjustWord = { REPETITION: 0, PRESENCE: 1, FREQUENCY: 2, PENDING: 3, COUNT: 4, WORDS: 5 } as const
export const AdjustEntryWord = { TOKEN: 0, BIAS: 1, COUNT: 2, REPEATED: 3, WORDS: 4 } as const

export interface HeadShape {
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
}

export interface RopeAppendOptions extends HeadShape {
  readonly layer: number
  readonly ropeDims: number
  /** RopeMode. */
  readonly ropeMode: number
  readonly frequencies: Weight
  readonly ropeScale: number
  /** Weights of the per-head norms, or NONE. */
  readonly qNorm: Weight
  readonly kNorm: Weight
  readonly normEps: number
  readonly normOffset: number
}

export interface AttendOptions extends HeadShape {
  readonly layer: number
  readonly scale: number
  /** 0: none. */
  readonly window: number
  readonly softcap: number
  readonly sinks: Weight
}

const FIRST_CAPACITY = 1 << 13

export class CommandBuffer {
  /** The words so far: tape[0 .. length - 1]. Replaced when it grows. */
  tape = new Int32Array(FIRST_CAPACITY)
  length = 0
  /** Views of the same memory, for bit patterns of f32. */
  #floats = new Float32Array(this.tape.buffer)
  #next = PERSISTENT_REGISTERS

  /** Begins a new step. */
  reset(): void {
    this.length = 0
    this.#next = PERSISTENT_REGISTERS
  }

  /** Segments as triples: KV handle, rows, position of the first row. */
  batch(segments: readonly (readonly [handle: number, rows: number, start: number])[]): void {
    this.#room(2 + 3 * segments.length)
    this.#ints(Op.BATCH, segments.length)
    for (const [handle, rows, start] of segments) this.#ints(handle, rows, start)
  }

  /** Entries: a token id, or -(i + 1) for element i of `previous`. i32 [entries]. */
  tokens(entries: Int32Array, previous: Register): Register {
    this.#room(4 + entries.length)
    const out = this.#register()
    this.#ints(Op.TOKENS, out, previous, entries.length)
    this.tape.set(entries, this.length)
    this.length += entries.length
    return out
  }

  /** f32 [rows, width of the weight]. */
  embed(tokens: Register, weight: Weight, scale: number): Register {
    const out = this.#begin(Op.EMBED, 5)
    this.#ints(tokens, weight)
    this.#float(scale)
    return out
  }

  /** As embed, where the weight holds the rows from `first` on of a larger table; zeros for tokens of other rows. */
  embedPart(tokens: Register, weight: Weight, scale: number, first: number, vocabulary: number): Register {
    const out = this.#begin(Op.EMBED_PART, 7)
    this.#ints(tokens, weight)
    this.#float(scale)
    this.#ints(first, vocabulary)
    return out
  }

  rmsNorm(x: Register, weight: Weight, eps: number, offset: number): Register {
    const out = this.#begin(Op.RMS_NORM, 6)
    this.#ints(x, weight)
    this.#float(eps)
    this.#float(offset)
    return out
  }

  /** x . weight^T + bias + residual. */
  linear(x: Register, weight: Weight, bias: Weight = NONE, residual: Register = NONE): Register {
    const out = this.#begin(Op.LINEAR, 6)
    this.#ints(x, weight, bias, residual)
    return out
  }

  /** Appends k and v to the KV sequences of the batch. Returns q and the order that attend needs. */
  ropeAppend(qkv: Register, options: RopeAppendOptions): { q: Register; order: Register } {
    this.#room(17)
    const q = this.#register()
    const order = this.#register()
    this.#ints(Op.ROPE_APPEND, q, order, qkv, options.layer, options.queryHeads, options.kvHeads, options.headDim)
    this.#ints(options.ropeDims, options.ropeMode, options.frequencies, options.qNorm, options.kNorm)
    this.#float(options.normEps)
    this.#float(options.ropeScale)
    this.#float(options.normOffset)
    return { q, order }
  }

  attend(q: Register, order: Register, options: AttendOptions): Register {
    const out = this.#begin(Op.ATTEND, 12)
    this.#ints(q, order, options.layer, options.queryHeads, options.kvHeads, options.headDim)
    this.#float(options.scale)
    this.#ints(options.window)
    this.#float(options.softcap)
    this.#ints(options.sinks)
    return out
  }

  /** activation(gate) * up, of [rows, 2 F]. */
  gated(x: Register, activation: number): Register {
    const out = this.#begin(Op.GATED, 4)
    this.#ints(x, activation)
    return out
  }

  add(a: Register, b: Register): Register {
    const out = this.#begin(Op.ADD, 4)
    this.#ints(a, b)
    return out
  }

  /** The named rows of x, into `out` where the result must survive the step. */
  rows(x: Register, rows: Int32Array, out: Register = this.#register()): Register {
    this.#room(4 + rows.length)
    this.#ints(Op.ROWS, out, x, rows.length)
    this.tape.set(rows, this.length)
    this.length += rows.length
    return out
  }

  scale(x: Register, factor: number): Register {
    const out = this.#begin(Op.SCALE, 4)
    this.#ints(x)
    this.#float(factor)
    return out
  }

  softcap(x: Register, cap: number): Register {
    const out = this.#begin(Op.SOFTCAP, 4)
    this.#ints(x)
    this.#float(cap)
    return out
  }

  /** `rows` holds SampleWord.WORDS words a row of `logits`. Registers are the caller's; logprobs may be NONE. */
  sample(tokens: Register, logprobs: Register, logits: Register, rows: Int32Array): void {
    this.#room(5 + rows.length)
    this.#ints(Op.SAMPLE, tokens, logprobs, logits, rows.length / SampleWord.WORDS)
    this.tape.set(rows, this.length)
    this.length += rows.length
  }

  /** `words` holds AdjustWord.WORDS words and the entries of each of `rows` rows. `previous` may be NONE. */
  adjust(logits: Register, previous: Register, rows: number, words: Int32Array): Register {
    const out = this.#begin(Op.ADJUST, 5 + words.length)
    this.#ints(logits, previous, rows)
    this.tape.set(words, this.length)
    this.length += words.length
    return out
  }

  /** Row numbers, ascending, and after each ceil(vocabulary / 32) words: a bit for each token that may come. */
  mask(logits: Register, rows: Int32Array, masks: Int32Array): Register {
    const wordsEach = masks.length / rows.length
    const out = this.#begin(Op.MASK, 4 + rows.length + masks.length)
    this.#ints(logits, rows.length)
    rows.forEach((row, i) => {
      this.#ints(row)
      this.tape.set(masks.subarray(i * wordsEach, (i + 1) * wordsEach), this.length)
      this.length += wordsEach
    })
    return out
  }

  allSum(x: Register): Register {
    const out = this.#begin(Op.ALL_SUM, 3)
    this.#ints(x)
    return out
  }

  /** Into `out` where the result must survive the step. */
  allGather(x: Register, out: Register = this.#register()): Register {
    this.#room(3)
    this.#ints(Op.ALL_GATHER, out, x)
    return out
  }

  /** Columns of all ranks side by side; `widths` are those of every rank's x. */
  gatherColumns(x: Register, widths: readonly number[]): Register {
    const out = this.#begin(Op.GATHER_COLUMNS, 4 + widths.length)
    this.#ints(x, widths.length, ...widths)
    return out
  }

  /** The token of the highest logit over all ranks; x holds those of the tokens from `first` on. Into `out`. */
  bestToken(out: Register, x: Register, first: number, vocabulary: number): void {
    this.#room(5)
    this.#ints(Op.BEST_TOKEN, out, x, first, vocabulary)
  }

  /** f32 [1, HASH_PARTS], 16 bits of a hash of x in each. */
  hash(x: Register): Register {
    const out = this.#begin(Op.HASH, 3)
    this.#ints(x)
    return out
  }

  evaluate(registers: readonly Register[]): void {
    this.#room(2 + registers.length)
    this.#ints(Op.EVAL, registers.length, ...registers)
  }

  moe(
    x: Register,
    router: Weight,
    gateUp: Weight,
    down: Weight,
    options: { expertsPerToken: number; kind: number; renormalize: boolean },
  ): Register {
    const out = this.#begin(Op.MOE, 9)
    this.#ints(x, router, gateUp, down, options.expertsPerToken, options.kind, options.renormalize ? 1 : 0)
    return out
  }

  concat(parts: readonly Register[]): Register {
    const out = this.#begin(Op.CONCAT, 3 + parts.length)
    this.#ints(parts.length, ...parts)
    return out
  }

  #register(): Register {
    return this.#next++
  }

  /** Opcode and a fresh destination, with room for `words` in all. */
  #begin(op: number, words: number): Register {
    this.#room(words)
    const out = this.#register()
    this.#ints(op, out)
    return out
  }

  #room(words: number): void {
    if (this.length + words <= this.tape.length) return
    const larger = new Int32Array(Math.max(2 * this.tape.length, this.length + words))
    larger.set(this.tape)
    this.tape = larger
    this.#floats = new Float32Array(larger.buffer)
  }

  #ints(...values: number[]): void {
    for (const value of values) this.tape[this.length++] = value
  }

  #float(value: number): void {
    this.#floats[this.length++] = value
  }
}
