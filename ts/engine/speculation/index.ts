// The door of ts/engine/speculation.

export { createNgramProposer } from "./ngram-proposer.ts"
export { createSpeculator } from "./speculator.ts"
