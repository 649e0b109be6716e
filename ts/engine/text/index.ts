// The door of ts/engine/text: prompts to ids, ids to events.

export type { AnswerWish } from "./answer-rule.ts"
export { type Answer, createAnswer, type TokenChance } from "./answer.ts"
export { createDetokenizer, createTokenText, type TokenText } from "./detokenizer.ts"
export type { EncodedPrompt, ModelTextFacts } from "./model-text.ts"
export { createTextPool, type TextPool, type TextPoolOptions } from "./text-pool.ts"
export { thinkingOf } from "./thinking-options.ts"
export { toolCallFormatByName } from "./tool-calls/index.ts"
