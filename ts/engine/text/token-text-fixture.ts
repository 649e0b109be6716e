// A vocabulary of given pieces, for tests: token i is pieces[i].

import { createTokenText, type TokenText } from "./detokenizer.ts"

export function tokenText(pieces: readonly (string | readonly number[])[], stripsLeadingSpace = false): TokenText {
  const parts = pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : Uint8Array.from(piece)))
  const offsets = Int32Array.from([0, ...parts.map((_, i) => parts.slice(0, i + 1).reduce((n, p) => n + p.length, 0))])
  return createTokenText({ bytes: new Uint8Array(Buffer.concat(parts)), offsets, stripsLeadingSpace })
}
