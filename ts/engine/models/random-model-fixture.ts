// Test fixture: a two-layer model of seeded random weights, described by hand as command buffers, so that the native
// engine is tested without the layers above it. Knows no test runner.

import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import {
  Checkpoint,
  loadMlx,
  type MlxInfo,
  NativeEngine,
  type NativeEngineOptions,
  type WeightSource,
} from "mlx-jaccl-rs"
import { Activation, CommandBuffer, NONE, type Register, RopeMode, SampleWord } from "./command-buffer.ts"

export const VOCABULARY = 96
const HIDDEN = 64
const INNER = 96
const LAYERS = 2
const HEADS = { queryHeads: 4, kvHeads: 2, headDim: 16 }
const QKV = (HEADS.queryHeads + 2 * HEADS.kvHeads) * HEADS.headDim
const GROUP = 32

export const Weight = { EMBEDDING: 0, FINAL_NORM: 1, FREQUENCIES: 2, LAYER: 10 } as const

/** Opens MLX once a process, as the product does. */
export function openMlx(): MlxInfo {
  const file = process.platform === "darwin" ? "dylib" : "so"
  const root = fileURLToPath(new URL("../../../../", import.meta.url))
  const candidates = [process.env["MLX_DIR"], join(root, "vendor/mlx-cpu"), join(root, "vendor/mlx-metal")]
  const library = candidates
    .filter((folder) => folder !== undefined)
    .map((folder) => join(folder, `mlx/lib/libmlx.${file}`))
    .find((path) => existsSync(path))
  if (library === undefined) throw new Error("MLX is not set up: run make setup")
  return loadMlx(library, join(root, `crates/mlx-jaccl-rs/libmlx_jaccl_shim.${file}`))
}

/** Numbers in [-1, 1) that are the same in every run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 31 - 1
  }
}

export interface StoredTensor {
  readonly name: string
  readonly dtype: "F32" | "U32"
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint32Array
}

export function writeSafetensors(path: string, tensors: readonly StoredTensor[]): void {
  let offset = 0
  const header: Record<string, unknown> = {}
  for (const { name, dtype, shape, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const bodies = tensors.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  writeFileSync(path, Buffer.concat([length, text, ...bodies]))
}

function dense(name: string, rows: number, columns: number, random: () => number, size: number): StoredTensor[] {
  const data = Float32Array.from({ length: rows * columns }, () => random() * size)
  return [{ name, dtype: "F32", shape: [rows, columns], data }]
}

/** MLX's affine layout, 4 bits in groups of 32. */
export function packed(
  name: string,
  rows: number,
  columns: number,
  random: () => number,
  size: number,
): StoredTensor[] {
  const words = Uint32Array.from({ length: (rows * columns) / 8 }, () => Math.floor((random() + 1) * 2 ** 31))
  const groups = (rows * columns) / GROUP
  const scales = Float32Array.from({ length: groups }, () => (size * (random() + 1.5)) / 12)
  const biases = scales.map((scale) => -7.5 * scale)
  return [
    { name: `${name}.weight`, dtype: "U32", shape: [rows, columns / 8], data: words },
    { name: `${name}.scales`, dtype: "F32", shape: [rows, columns / GROUP], data: scales },
    { name: `${name}.biases`, dtype: "F32", shape: [rows, columns / GROUP], data: biases },
  ]
}

const SLICE_ALL = { rowStart: 0, rowEnd: -1, columnStart: 0, columnEnd: -1 }
const denseSource = (name: string): WeightSource => ({ parts: [{ name, ...SLICE_ALL }], kind: "matrix" })
const packedSource = (name: string): WeightSource => ({
  parts: [{ name: `${name}.weight`, ...SLICE_ALL }],
  kind: "matrix",
  quantization: { bits: 4, groupSize: GROUP, mode: "affine" },
})

/** Writes the model's file into a folder. */
export function writeRandomModel(folder: string): void {
  const random = seeded(7)
  const tensors = dense("embedding", VOCABULARY, HIDDEN, random, 1)
  for (let layer = 0; layer < LAYERS; layer++) {
    tensors.push(
      ...packed(`${layer}.qkv`, QKV, HIDDEN, random, 0.4),
      ...dense(`${layer}.o`, HIDDEN, HEADS.queryHeads * HEADS.headDim, random, 0.3),
      ...packed(`${layer}.gate_up`, 2 * INNER, HIDDEN, random, 0.3),
      ...packed(`${layer}.down`, HIDDEN, INNER, random, 0.3),
    )
  }
  writeSafetensors(join(folder, "model.safetensors"), tensors)
}

const LAYER_WEIGHTS = 8
const layerWeight = (layer: number, place: number) => Weight.LAYER + layer * LAYER_WEIGHTS + place

export interface RandomModel {
  readonly engine: NativeEngine
  readonly store: number
  /** Hidden states of the batch after the last layer. */
  forward(buffer: CommandBuffer, tokens: Register): Register
  logits(buffer: CommandBuffer, hidden: Register): Register
}

export function openRandomModel(
  folder: string,
  options: Partial<NativeEngineOptions>,
  capacityBytes = 1 << 24,
): RandomModel {
  const engine = new NativeEngine({ device: "cpu", numeric: "fp32", ...options })
  const checkpoint = new Checkpoint(folder)
  const random = seeded(11)
  const nearOne = (n: number) => Float32Array.from({ length: n }, () => 1 + random() / 4)
  engine.loadWeight(Weight.EMBEDDING, checkpoint, denseSource("embedding"))
  engine.loadVector(Weight.FINAL_NORM, nearOne(HIDDEN))
  const half = HEADS.headDim / 2
  engine.loadVector(
    Weight.FREQUENCIES,
    Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / half)),
  )
  for (let layer = 0; layer < LAYERS; layer++) {
    engine.loadWeight(layerWeight(layer, 0), checkpoint, packedSource(`${layer}.qkv`))
    engine.loadWeight(layerWeight(layer, 1), checkpoint, denseSource(`${layer}.o`))
    engine.loadWeight(layerWeight(layer, 2), checkpoint, packedSource(`${layer}.gate_up`))
    engine.loadWeight(layerWeight(layer, 3), checkpoint, packedSource(`${layer}.down`))
    engine.loadVector(layerWeight(layer, 4), nearOne(HIDDEN))
    engine.loadVector(layerWeight(layer, 5), nearOne(HIDDEN))
    engine.loadVector(layerWeight(layer, 6), nearOne(HEADS.headDim))
  }
  const store = engine.kvStore({ layers: LAYERS, kvHeads: HEADS.kvHeads, headDim: HEADS.headDim, capacityBytes })
  const layerForward = (buffer: CommandBuffer, layer: number, x: Register): Register => {
    const qkv = buffer.linear(buffer.rmsNorm(x, layerWeight(layer, 4), 1e-5, 0), layerWeight(layer, 0))
    const norm = layer === 0 ? NONE : layerWeight(layer, 6)
    const { q, order } = buffer.ropeAppend(qkv, {
      ...HEADS,
      layer,
      ropeDims: HEADS.headDim,
      ropeMode: layer === 0 ? RopeMode.HALF : RopeMode.PAIRS,
      frequencies: Weight.FREQUENCIES,
      ropeScale: 1,
      qNorm: norm,
      kNorm: norm,
      normEps: 1e-6,
      normOffset: 0,
    })
    // The second layer sees a sliding window of 12 positions.
    const window = layer === 0 ? 0 : 12
    const scale = HEADS.headDim ** -0.5
    const seen = buffer.attend(q, order, { ...HEADS, layer, scale, window, softcap: 0, sinks: NONE })
    const attended = buffer.linear(seen, layerWeight(layer, 1), NONE, x)
    const gateUp = buffer.linear(buffer.rmsNorm(attended, layerWeight(layer, 5), 1e-5, 0), layerWeight(layer, 2))
    return buffer.linear(buffer.gated(gateUp, Activation.SILU), layerWeight(layer, 3), NONE, attended)
  }
  return {
    engine,
    store,
    forward(buffer, tokens) {
      let x = buffer.embed(tokens, Weight.EMBEDDING, 1)
      for (let layer = 0; layer < LAYERS; layer++) x = layerForward(buffer, layer, x)
      return x
    },
    logits: (buffer, hidden) => buffer.linear(buffer.rmsNorm(hidden, Weight.FINAL_NORM, 1e-5, 0), Weight.EMBEDDING),
  }
}

export interface SampleOptions {
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly seed?: number
}

/** One row of OP_SAMPLE. */
export function sampleWords(position: number, options: SampleOptions = {}): Int32Array {
  const words = new Int32Array(SampleWord.WORDS)
  const floats = new Float32Array(words.buffer)
  floats[SampleWord.TEMPERATURE] = options.temperature ?? 0
  floats[SampleWord.TOP_P] = options.topP ?? 1
  floats[SampleWord.MIN_P] = options.minP ?? 0
  words[SampleWord.TOP_K] = options.topK ?? 0
  words[SampleWord.SEED_LOW] = options.seed ?? 0
  words[SampleWord.POSITION] = position
  return words
}

/** Runs tokens of one sequence and gives the logits of its last position. */
export function lastLogits(model: RandomModel, handle: number, tokens: readonly number[]): Float32Array {
  const buffer = new CommandBuffer()
  buffer.batch([[handle, tokens.length, model.engine.kvLength(handle)]])
  const hidden = model.forward(buffer, buffer.tokens(Int32Array.from(tokens), NONE))
  const logits = model.logits(buffer, buffer.rows(hidden, Int32Array.of(tokens.length - 1)))
  buffer.evaluate([logits])
  model.engine.exec(buffer.tape, buffer.length)
  const out = new Float32Array(VOCABULARY)
  model.engine.readFloats(logits, out)
  return out
}

/** Generates by steps that are submitted before the token of the step before is read. */
export function generate(model: RandomModel, prompt: readonly number[], count: number, options: SampleOptions = {}) {
  const { engine } = model
  const buffer = new CommandBuffer()
  const handle = engine.kvOpen(model.store)
  const tokens: number[] = []
  const logprobs: number[] = []
  const token = new Int32Array(1)
  const logprob = new Float32Array(1)
  const step = (entries: Int32Array, previous: Register, out: Register) => {
    buffer.reset()
    const start = engine.kvLength(handle)
    buffer.batch([[handle, entries.length, start]])
    const hidden = model.forward(buffer, buffer.tokens(entries, previous))
    const logits = model.logits(buffer, buffer.rows(hidden, Int32Array.of(entries.length - 1)))
    buffer.sample(out, out + 1, logits, sampleWords(start + entries.length, options))
    buffer.evaluate([out, out + 1])
    engine.exec(buffer.tape, buffer.length)
  }
  step(Int32Array.from(prompt), NONE, 0)
  for (let i = 1; i <= count; i++) {
    const [now, next] = i % 2 === 1 ? [0, 2] : [2, 0]
    if (i < count) step(Int32Array.of(-1), now, next)
    engine.readTokens(now, token)
    engine.readFloats(now + 1, logprob)
    tokens.push(token[0] ?? -1)
    logprobs.push(logprob[0] ?? Number.NaN)
  }
  engine.kvClose(handle)
  return { tokens, logprobs }
}
