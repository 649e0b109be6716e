// Token ids -> text, one token at a time, in constant time each. Works on the bytes of tokens and holds an unfinished
// UTF-8 character back until the rest of it comes. Knows no model and no tokenizer library.

/** Bytes and texts of all tokens of a model; shared by its detokenizers. */
export interface TokenText {
  readonly size: number
  /** What a token adds to the text; empty for control tokens and unknown ids. */
  bytes(id: number): Uint8Array
  /** The bytes as text where they are whole characters, else null. */
  text(id: number): string | null
  /** SentencePiece: the text of a whole answer does not begin with the space that its first token carries. */
  readonly stripsLeadingSpace: boolean
}

/** Plain data, so that another thread can make it. Token i is bytes[offsets[i] .. offsets[i + 1]]. */
export interface TokenTextSource {
  readonly bytes: Uint8Array
  readonly offsets: Int32Array
  readonly stripsLeadingSpace: boolean
}

export interface Detokenizer {
  /** The text that has become final with this token; "" while a character is unfinished. */
  push(id: number): string
  /** Bytes of an unfinished character that are held. */
  readonly heldBytes: number
  /** Bytes of the last token that were left out: a leading space. */
  readonly droppedBytes: number
}

const NO_BYTES = new Uint8Array(0)

export function createTokenText(source: TokenTextSource): TokenText {
  const { bytes, offsets } = source
  const size = Math.max(0, offsets.length - 1)
  const texts: (string | null | undefined)[] = Array.from({ length: size })
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const bytesOf = (id: number): Uint8Array =>
    id >= 0 && id < size ? bytes.subarray(offsets[id] ?? 0, offsets[id + 1] ?? 0) : NO_BYTES

  return {
    size,
    bytes: bytesOf,
    text(id) {
      const known = id >= 0 && id < size ? texts[id] : ""
      if (known !== undefined) return known
      let text: string | null
      try {
        text = strict.decode(bytesOf(id))
      } catch {
        text = null
      }
      texts[id] = text
      return text
    },
    stripsLeadingSpace: source.stripsLeadingSpace,
  }
}

/**
 * `keepLeadingSpace`: the answer continues a text (completions) and its first space belongs to it. A character that the
 * end of the answer cuts is left out; bytes that are no UTF-8 become U+FFFD.
 */
export function createDetokenizer(tokens: TokenText, keepLeadingSpace: boolean): Detokenizer {
  const lenient = new TextDecoder("utf-8", { ignoreBOM: true })
  let held: Uint8Array = NO_BYTES
  let stripSpace = tokens.stripsLeadingSpace && !keepLeadingSpace

  function decode(bytes: Uint8Array): string {
    const all = held.length === 0 ? bytes : join(held, bytes)
    const whole = all.length - unfinishedBytes(all)
    held = all.slice(whole)
    return whole === 0 ? "" : lenient.decode(all.subarray(0, whole))
  }

  // Fields, not getters: an object with getters of its own has a shape of its own, and V8 looks each of them up anew.
  const detokenizer = {
    heldBytes: 0,
    droppedBytes: 0,
    push(id: number): string {
      const text = (held.length === 0 ? tokens.text(id) : null) ?? decode(tokens.bytes(id))
      const dropped = stripSpace && text.startsWith(" ") ? 1 : 0
      if (text !== "") stripSpace = false
      detokenizer.heldBytes = held.length
      detokenizer.droppedBytes = dropped
      return dropped === 0 ? text : text.slice(dropped)
    },
  }
  return detokenizer
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}

/** How many bytes at the end begin a character that needs more of them. */
function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    if (byte < 0xc0) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return byte < 0xf8 && needed > back ? back : 0
  }
  return 0
}
