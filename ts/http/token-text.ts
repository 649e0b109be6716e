// Token log-probabilities as both completion routes write them. A token's bytes may end inside a character: the text
// then belongs to the token that completes it, so that the strings joined equal the content; `bytes` stay exact.

import type { TokenLogprob } from "../engine/index.ts"
import type { ChatLogprobs } from "./schemas/chat-completion.ts"
import type { CompletionLogprobs } from "./schemas/completion.ts"

/** One for each choice: it remembers an unfinished character and, for the legacy form, the offset. */
export interface TokenText {
  chat(tokens: readonly TokenLogprob[]): ChatLogprobs
  legacy(tokens: readonly TokenLogprob[]): CompletionLogprobs
}

export function createTokenText(): TokenText {
  const decoder = new TextDecoder("utf-8")
  const alone = new TextDecoder("utf-8")
  let offset = 0
  const text = (bytes: Uint8Array) => decoder.decode(bytes, { stream: true })
  return {
    chat: (tokens) => ({
      content: tokens.map((token) => ({
        token: text(token.bytes),
        logprob: token.logprob,
        bytes: [...token.bytes],
        top_logprobs: token.top.map((other) => ({
          token: alone.decode(other.bytes),
          logprob: other.logprob,
          bytes: [...other.bytes],
        })),
      })),
      refusal: null,
    }),
    legacy(tokens) {
      const out: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] }
      for (const token of tokens) {
        const piece = text(token.bytes)
        out.tokens.push(piece)
        out.token_logprobs.push(token.logprob)
        out.top_logprobs.push(Object.fromEntries(token.top.map((other) => [alone.decode(other.bytes), other.logprob])))
        out.text_offset.push(offset)
        offset += piece.length
      }
      return out
    },
  }
}
