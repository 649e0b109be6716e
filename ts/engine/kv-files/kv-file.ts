// One KV block as a safetensors file: tensors "keys" and "values", f32 [layers, kv heads, positions, head dim], and
// metadata that says of what they are. Knows no disk. Format: https://huggingface.co/docs/safetensors.

import { createHash } from "node:crypto"

/** What a block is of; all of it stands in the file as text. */
export interface KvBlockFacts {
  /** Names the block (block-keys.ts). */
  readonly key: string
  /** The name of the block before it, or of the root. */
  readonly parent: string
  /** Position of its first token. */
  readonly start: number
  readonly tokens: readonly number[]
  /** Layers, kv heads, positions, head dim. */
  readonly shape: readonly [number, number, number, number]
  /** What made it: model, back end, numeric mode, ranks. For people; the key commits to it. */
  readonly origin: Readonly<Record<string, string>>
}

const KV_FILE_VERSION = "1"

const KIND = "mlx-jaccl-cluster kv block"
const LENGTH_BYTES = 8
const MAX_HEADER_BYTES = 2 ** 20

export function encodeKvFile(facts: KvBlockFacts, data: Uint8Array): readonly Uint8Array[] {
  const half = data.length / 2
  const tensor = (from: number) => ({ dtype: "F32", shape: facts.shape, data_offsets: [from, from + half] })
  const metadata = { ...metadataOf(facts), sha256: digest(data) }
  const json = JSON.stringify({ __metadata__: metadata, keys: tensor(0), values: tensor(half) })
  // Tensors begin at a multiple of eight bytes.
  const header = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8))
  const length = new DataView(new ArrayBuffer(LENGTH_BYTES))
  length.setBigUint64(0, BigInt(header.length), true)
  return [new Uint8Array(length.buffer), header, data]
}

/** The data of a file that holds exactly this block. Throws with what is wrong with it. */
export function decodeKvFile(bytes: Uint8Array, facts: KvBlockFacts): Float32Array<ArrayBuffer> {
  if (bytes.length < LENGTH_BYTES) throw new Error("is cut")
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
  if (length > MAX_HEADER_BYTES || LENGTH_BYTES + Number(length) > bytes.length) throw new Error("is cut")
  const from = LENGTH_BYTES + Number(length)
  const header = parse(Buffer.from(bytes.buffer, bytes.byteOffset + LENGTH_BYTES, Number(length)).toString())
  const data = bytes.subarray(from)
  // Of its own, and aligned.
  const numbers = new Float32Array(2 * facts.shape.reduce((product, side) => product * side, 1))
  if (data.length !== numbers.byteLength) throw new Error("is cut")
  const told: unknown = Reflect.get(header, "__metadata__")
  if (typeof told !== "object" || told === null) throw new Error("has no metadata")
  for (const [name, value] of Object.entries({ ...metadataOf(facts), sha256: digest(data) }))
    if (Reflect.get(told, name) !== value) throw new Error(name === "sha256" ? "is damaged" : `is of another ${name}`)
  new Uint8Array(numbers.buffer).set(data)
  return numbers
}

function metadataOf({ key, parent, start, tokens, shape, origin }: KvBlockFacts): Record<string, string> {
  return {
    format: KIND,
    version: KV_FILE_VERSION,
    key,
    parent,
    start: String(start),
    tokens: tokens.join(","),
    shape: shape.join(","),
    ...origin,
  }
}

function parse(json: string): object {
  try {
    const header: unknown = JSON.parse(json)
    if (typeof header === "object" && header !== null) return header
  } catch {
    // Told below.
  }
  throw new Error("has no header")
}

function digest(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex")
}
