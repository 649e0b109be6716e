// The door of ts/engine/rings.

export { decodeCommand, encodeCommand } from "./command-codec.ts"
export {
  allocateCommandRing,
  type CommandRingReader,
  type CommandRingWriter,
  createCommandRingReader,
  createCommandRingWriter,
} from "./command-ring.ts"
export { ERROR_CODES, FinishCode, RECORD_WORDS, RecordKind, REFUSED_SHIFT, TokenFlag } from "./record.ts"
export {
  allocateTokenRing,
  createTokenRingReader,
  createTokenRingWriter,
  type TokenRingReader,
  type TokenRingWriter,
} from "./token-ring.ts"
