// The one binary form of a Command, for the command ring and for frames between processes. Little-endian, packed.
// Numbers are append-only.
//
//   u8 kind, then
//   submit    u32 slot, u32 generation, u32 model, f64 temperature, f64 topP, u32 topK, f64 minP, u64 seed,
//             u8 flags (1: ignoreEos, 2: adjustments, 4: rule, 16: shaping, 32: prediction, 64: salt), u32 maxTokens, u32 resumed,
//             i32 logprobs, u32 client, u32 n, i32 eosIds[n], u32 n, i32 promptIds[n];
//             with a prediction: u32 n, i32 predictionIds[n]; with adjustments:
//             f64 repetition, u32 repetition context, f64 presence, f64 frequency, u32 minTokens,
//             u32 n, (i32 id, f64 bias)[n]; with shaping:
//             f64 typicalP, f64 xtcProbability, f64 xtcThreshold, u32 n, i32 exemptIds[n]; with a rule: u32 n, utf-8 rule[n];
//             with a salt: u32 n, utf-8 salt[n]
//   cancel    u32 slot, u32 generation
//   load      u32 model, u32 n, utf-8 path[n], u32 n, utf-8 options[n]
//   unload    u32 model
//   shutdown

import { EngineError } from "../errors.ts"
import type { DistributionShaping, LogitAdjustments } from "../generation.ts"
import type { Command, SubmitCommand } from "../link.ts"

const CommandKind = { submit: 1, cancel: 2, load: 3, unload: 4, shutdown: 5 } as const
const IGNORE_EOS = 1
const ADJUSTMENTS = 2
const RULE = 4
const SHAPING = 16
const PREDICTION = 32
const SALT = 64
const ADJUSTMENTS_FIXED_BYTES = 3 * 8 + 3 * 4
const SHAPING_FIXED_BYTES = 3 * 8 + 4
const SUBMIT_FIXED_BYTES = 1 + 3 * 4 + 2 * 8 + 4 + 2 * 8 + 1 + 4 * 4 + 2 * 4

const utf8 = { encode: new TextEncoder(), decode: new TextDecoder("utf-8", { fatal: true }) }

export function encodeCommand(command: Command): Uint8Array {
  switch (command.kind) {
    case "submit":
      return encodeSubmit(command)
    case "cancel": {
      const { bytes, view } = allocate(9, CommandKind.cancel)
      view.setUint32(1, command.slot, true)
      view.setUint32(5, command.generation, true)
      return bytes
    }
    case "load": {
      const path = utf8.encode.encode(command.path)
      const options = utf8.encode.encode(command.options)
      const { bytes, view } = allocate(13 + path.length + options.length, CommandKind.load)
      view.setUint32(1, command.model, true)
      view.setUint32(5, path.length, true)
      bytes.set(path, 9)
      view.setUint32(9 + path.length, options.length, true)
      bytes.set(options, 13 + path.length)
      return bytes
    }
    case "unload": {
      const { bytes, view } = allocate(5, CommandKind.unload)
      view.setUint32(1, command.model, true)
      return bytes
    }
    case "shutdown":
      break
  }
  return allocate(1, CommandKind.shutdown).bytes
}

function allocate(length: number, kind: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(length)
  bytes[0] = kind
  return { bytes, view: new DataView(bytes.buffer) }
}

function encodeSubmit(command: SubmitCommand): Uint8Array {
  const { eosIds, promptIds, predictionIds, sampling } = command
  const { adjustments, shaping } = sampling
  const extra = adjustments === undefined ? 0 : ADJUSTMENTS_FIXED_BYTES + 12 * adjustments.logitBias.length
  const shaped = shaping === undefined ? 0 : SHAPING_FIXED_BYTES + 4 * shaping.exemptIds.length
  const predicted = predictionIds === undefined ? 0 : 4 * (1 + predictionIds.length)
  const rule = command.rule === undefined ? null : utf8.encode.encode(command.rule)
  const salt = command.salt === undefined ? null : utf8.encode.encode(command.salt)
  const texts = [rule, salt].reduce((sum, text) => sum + (text === null ? 0 : 4 + text.length), 0)
  const more = predicted + extra + shaped + texts
  const length = SUBMIT_FIXED_BYTES + 4 * (eosIds.length + promptIds.length) + more
  const { bytes, view } = allocate(length, CommandKind.submit)
  let at = 1
  const u32 = (value: number): void => {
    view.setUint32(at, value, true)
    at += 4
  }
  const f64 = (value: number): void => {
    view.setFloat64(at, value, true)
    at += 8
  }
  u32(command.slot)
  u32(command.generation)
  u32(command.model)
  f64(sampling.temperature)
  f64(sampling.topP)
  u32(sampling.topK)
  f64(sampling.minP)
  view.setBigUint64(at, BigInt.asUintN(64, sampling.seed), true)
  at += 8
  const adjusts = (sampling.ignoreEos ? IGNORE_EOS : 0) | (adjustments === undefined ? 0 : ADJUSTMENTS)
  const shapes = (shaping === undefined ? 0 : SHAPING) | (predictionIds === undefined ? 0 : PREDICTION)
  view.setUint8(at, adjusts | shapes | (rule === null ? 0 : RULE) | (salt === null ? 0 : SALT))
  at += 1
  u32(command.maxTokens)
  u32(command.resumed)
  u32(command.logprobs)
  u32(command.client)
  u32(eosIds.length)
  for (const id of eosIds) u32(id)
  const ids = (list: Int32Array): void => {
    u32(list.length)
    // Every platform of the project is little-endian.
    bytes.set(new Uint8Array(list.buffer, list.byteOffset, list.byteLength), at)
    at += list.byteLength
  }
  ids(promptIds)
  if (predictionIds !== undefined) ids(predictionIds)
  if (adjustments !== undefined) {
    f64(adjustments.repetitionPenalty)
    u32(adjustments.repetitionContext)
    f64(adjustments.presencePenalty)
    f64(adjustments.frequencyPenalty)
    u32(adjustments.minTokens)
    u32(adjustments.logitBias.length)
    for (const [id, bias] of adjustments.logitBias) {
      u32(id)
      f64(bias)
    }
  }
  if (shaping !== undefined) {
    f64(shaping.typicalP)
    f64(shaping.xtcProbability)
    f64(shaping.xtcThreshold)
    u32(shaping.exemptIds.length)
    for (const id of shaping.exemptIds) u32(id)
  }
  for (const text of [rule, salt]) {
    if (text === null) continue
    u32(text.length)
    bytes.set(text, at)
    at += text.length
  }
  return bytes
}

/** Throws EngineError when the bytes are not exactly one command. */
export function decodeCommand(bytes: Uint8Array): Command {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  /** Moves on by `length` bytes and returns where they begin. */
  const take = (length: number): number => {
    const from = at
    if (length > bytes.length - from) throw malformed(`ends at byte ${bytes.length}`)
    at = from + length
    return from
  }
  const u32 = (): number => view.getUint32(take(4), true)
  const f64 = (): number => view.getFloat64(take(8), true)
  const ids = (): Int32Array => {
    const count = u32()
    const from = take(4 * count)
    return new Int32Array(bytes.slice(from, from + 4 * count).buffer)
  }
  const text = (): string => {
    const length = u32()
    const from = take(length)
    try {
      return utf8.decode.decode(bytes.subarray(from, from + length))
    } catch (cause) {
      throw malformed("holds text that is not UTF-8", cause)
    }
  }
  const adjustments = (): LogitAdjustments => {
    const [repetitionPenalty, repetitionContext, presencePenalty, frequencyPenalty] = [f64(), u32(), f64(), f64()]
    const minTokens = u32()
    const biases = u32()
    if (biases * 12 > bytes.length - at) throw malformed(`claims ${biases} biases`)
    const logitBias = Array.from({ length: biases }, () => [u32() | 0, f64()] as const)
    return { repetitionPenalty, repetitionContext, presencePenalty, frequencyPenalty, minTokens, logitBias }
  }
  const shaping = (): DistributionShaping => ({
    typicalP: f64(),
    xtcProbability: f64(),
    xtcThreshold: f64(),
    exemptIds: Array.from(ids()),
  })
  const read = (kind: number): Command => {
    switch (kind) {
      case CommandKind.submit: {
        const [slot, generation, model] = [u32(), u32(), u32()]
        const [temperature, topP, topK, minP] = [f64(), f64(), u32(), f64()]
        const seed = view.getBigUint64(take(8), true)
        const flags = view.getUint8(take(1))
        const [maxTokens, resumed, logprobs, client] = [u32(), u32(), u32() | 0, u32()]
        const eosIds = Array.from(ids())
        const promptIds = ids()
        const prediction = (flags & PREDICTION) === 0 ? {} : { predictionIds: ids() }
        const plain = { temperature, topP, topK, minP, seed, ignoreEos: (flags & IGNORE_EOS) !== 0 }
        const adjusted = (flags & ADJUSTMENTS) === 0 ? plain : { ...plain, adjustments: adjustments() }
        const sampling = (flags & SHAPING) === 0 ? adjusted : { ...adjusted, shaping: shaping() }
        const rule = (flags & RULE) === 0 ? {} : { rule: text() }
        const salt = (flags & SALT) === 0 ? {} : { salt: text() }
        return {
          kind: "submit",
          slot,
          generation,
          model,
          promptIds,
          ...prediction,
          sampling,
          maxTokens,
          resumed,
          logprobs,
          eosIds,
          client,
          ...rule,
          ...salt,
        }
      }
      case CommandKind.cancel:
        return { kind: "cancel", slot: u32(), generation: u32() }
      case CommandKind.load:
        return { kind: "load", model: u32(), path: text(), options: text() }
      case CommandKind.unload:
        return { kind: "unload", model: u32() }
      case CommandKind.shutdown:
        return { kind: "shutdown" }
      default:
        throw malformed(`has the unknown kind ${kind}`)
    }
  }
  const command = read(view.getUint8(take(1)))
  if (at !== bytes.length) throw malformed(`has ${bytes.length - at} bytes too many`)
  return command
}

function malformed(what: string, cause?: unknown): EngineError {
  return new EngineError("internal", `A command ${what}.`, { cause })
}
