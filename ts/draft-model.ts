// Whether one model can draft for another: both must mean the same by every token.

import type { ModelFiles, TextPool } from "./engine/index.ts"
import { StartError } from "./start-error.ts"

/** Throws StartError when the tokenizers differ. The size of the vocabulary may: the rest is padding. */
export async function checkDraftModel(textPool: TextPool, files: ModelFiles, draft: ModelFiles): Promise<void> {
  const [own, other] = await Promise.all([textPool.facts(files), textPool.facts(draft)])
  const [a, b] = [own.tokens, other.tokens]
  const differs = (what: string): StartError =>
    new StartError(
      `${draft.path} cannot draft for ${files.path}: ${what}; give a draft model of the same family and tokenizer`,
      2,
    )
  const count = Math.min(a.offsets.length, b.offsets.length) - 1
  for (let id = 0; id < count; id++) {
    const [from, to] = [a.offsets[id] ?? 0, a.offsets[id + 1] ?? 0]
    const [otherFrom, otherTo] = [b.offsets[id] ?? 0, b.offsets[id + 1] ?? 0]
    const isSame = Buffer.compare(a.bytes.subarray(from, to), b.bytes.subarray(otherFrom, otherTo)) === 0
    if (!isSame) throw differs(`token ${id} is another text there`)
  }
  if (own.vocabularySize !== other.vocabularySize) {
    throw differs(`its tokenizer has ${other.vocabularySize} tokens, not ${own.vocabularySize}`)
  }
}
