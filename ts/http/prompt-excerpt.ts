// The beginning of what was asked, for operators who chose to keep it. Knows nothing of where it is shown.

import type { Prompt } from "../engine/index.ts"
import { LIMITS } from "./limits.ts"

/** The last message of the user, or the text; one line. */
export function promptExcerpt(prompt: Prompt): string {
  if (prompt.kind === "tokens") return `${prompt.ids.length} tokens`
  const text =
    prompt.kind === "text" ? prompt.text : (prompt.messages.findLast(({ role }) => role === "user")?.content ?? "")
  const line = text.slice(0, 2 * LIMITS.promptExcerptChars).replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, " ")
  return Array.from(line).slice(0, LIMITS.promptExcerptChars).join("")
}
