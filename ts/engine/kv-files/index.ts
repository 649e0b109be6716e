// The door of ts/engine/kv-files.

export { blockKeys } from "./block-keys.ts"
export type { KvBlockFacts } from "./kv-file.ts"
export { type KvFiles, openKvFiles } from "./kv-files.ts"
