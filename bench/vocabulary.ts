// A tokenizer.json of any size in the shape of large models' vocabularies: bytes, words with and without a space before
// them, numbers, runs of punctuation and space as in JSON and source text, letters of other scripts.

import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface BenchVocabulary {
  /** Of the file. */
  readonly path: string
  readonly size: number
  /** The token that ends an answer. */
  readonly end: number
  /** Longest match from the left. */
  encode(text: string): number[]
  close(): void
}

const SYLLABLES = [
  "a",
  "con",
  "der",
  "e",
  "ing",
  "la",
  "mo",
  "ne",
  "or",
  "per",
  "ri",
  "s",
  "ta",
  "ter",
  "un",
  "ver",
  "y",
]
const MARKS = ["{", "}", "[", "]", '"', ":", ",", ".", "(", ")", "=", "-", "_", "/", "\\", "<", ">", ";", "+", "*", "#"]
const OTHERS = [0x3b1, 0x430, 0x5d0, 0x627, 0x905, 0x3042, 0x4e00, 0xac00]

export function createBenchVocabulary(size: number): BenchVocabulary {
  const texts = new Set<string>()
  const add = (text: string): void => {
    if (texts.size < size - 257) texts.add(text)
  }
  for (let n = 0; n < 1000; n++) add(String(n))
  for (let n = 2; n < 80; n++) for (const mark of [" ", "\n", "\t", "-", "=", "*"]) add(mark.repeat(n))
  for (const a of MARKS) for (const b of MARKS) for (const c of ["", " ", "\n", ...MARKS]) add(a + b + c)
  for (const first of OTHERS)
    for (let i = 0; i < 900; i++) {
      add(String.fromCodePoint(first + (i % 60)) + String.fromCodePoint(first + Math.floor(i / 60)))
    }
  let random = 1
  const next = (below: number): number => {
    random = (random * 48271) % 0x7fffffff
    return random % below
  }
  while (texts.size < size - 257) {
    let word = ""
    for (let i = 1 + next(4); i >= 0; i--) word += SYLLABLES[next(SYLLABLES.length)] ?? ""
    if (next(4) === 0) word = word.slice(0, 1).toUpperCase() + word.slice(1)
    add(next(5) < 3 ? ` ${word}` : word)
  }
  const alphabet = byteAlphabet()
  const spelled = (bytes: Uint8Array): string => Array.from(bytes, (byte) => alphabet[byte] ?? "").join("")
  const vocabulary: Record<string, number> = {}
  const ids = new Map<string, number>()
  for (let byte = 0; byte < 256; byte++) vocabulary[alphabet[byte] ?? ""] = byte
  for (const text of texts) {
    const key = spelled(Buffer.from(text, "utf8"))
    if (key in vocabulary) continue
    ids.set(text, ids.size + 256)
    vocabulary[key] = ids.size + 255
  }
  const end = ids.size + 256
  const folder = mkdtempSync(join(tmpdir(), `vocabulary-${randomBytes(4).toString("hex")}-`))
  const path = join(folder, "tokenizer.json")
  writeFileSync(
    path,
    JSON.stringify({
      version: "1.0",
      added_tokens: [
        {
          id: end,
          content: "<|end|>",
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
          special: true,
        },
      ],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: null,
      decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      model: { type: "BPE", vocab: vocabulary, merges: [] },
    }),
  )
  const longest = 80
  return {
    path,
    size: end + 1,
    end,
    encode(text) {
      const out: number[] = []
      for (let at = 0; at < text.length; ) {
        let length = Math.min(longest, text.length - at)
        while (length > 1 && !ids.has(text.slice(at, at + length))) length--
        const piece = text.slice(at, at + length)
        const id = ids.get(piece)
        if (id === undefined) out.push(...Buffer.from(piece, "utf8"))
        else out.push(id)
        at += length
      }
      return out
    },
    close: () => rmSync(folder, { recursive: true }),
  }
}

/** GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the others for 256, 257, ... in order. */
function byteAlphabet(): string[] {
  let spare = 256
  const isPrintable = (byte: number): boolean =>
    (byte > 32 && byte < 127) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : spare++))
}
