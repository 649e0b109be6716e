// The door of ts/engine/speculation.

export { createDraftProposer, type DraftOptions } from "./draft-proposer.ts"
export { createNgramProposer } from "./ngram-proposer.ts"
export type { Proposer } from "./proposer.ts"
export { createRoutedProposer } from "./routed-proposer.ts"
export { createSpeculator } from "./speculator.ts"
