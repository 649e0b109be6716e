import t from "tap"
import type { Command } from "../link.ts"
import { decodeCommand, encodeCommand } from "./command-codec.ts"

const commands: Command[] = [
  {
    kind: "submit",
    slot: 7,
    generation: 2 ** 31 + 3,
    model: 1,
    promptIds: Int32Array.of(1, 2, 152_000),
    sampling: { temperature: 0.7, topP: 0.9, topK: 40, minP: 0.05, seed: 2n ** 63n + 5n, ignoreEos: true },
    maxTokens: 128,
    resumed: 1,
    logprobs: -1,
    eosIds: [2, 151_643],
    client: 99,
    salt: "",
  },
  {
    kind: "submit",
    slot: 8,
    generation: 1,
    model: 0,
    promptIds: Int32Array.of(4, 5),
    predictionIds: Int32Array.of(6, 7, 8),
    sampling: {
      temperature: 0,
      topP: 1,
      topK: 0,
      minP: 0,
      seed: 0n,
      ignoreEos: false,
      shaping: { typicalP: 0.9, xtcProbability: 0.5, xtcThreshold: 0.1, exemptIds: [13, 5] },
      adjustments: {
        repetitionPenalty: 1.1,
        repetitionContext: 20,
        presencePenalty: -0.5,
        frequencyPenalty: 2,
        minTokens: 9,
        logitBias: [
          [5, -100],
          [77, 0.25],
        ],
      },
    },
    maxTokens: 1,
    resumed: 0,
    logprobs: 3,
    eosIds: [],
    client: 0,
    rule: '{"grammars":[]} ä',
    salt: "0123abcd",
  },
  { kind: "cancel", slot: 7, generation: 8 },
  { kind: "load", model: 3, path: "/models/größe", options: '{"kvBytes":1}' },
  { kind: "unload", model: 3 },
  { kind: "shutdown" },
]

t.test("every command comes back equal", async (t) => {
  for (const command of commands) t.same(decodeCommand(encodeCommand(command)), command)
})

t.test("a command cut anywhere, or longer than it says, is refused", async (t) => {
  for (const command of commands) {
    const bytes = encodeCommand(command)
    for (let length = 0; length < bytes.length; length++) {
      t.throws(() => decodeCommand(bytes.subarray(0, length)))
    }
    const longer = new Uint8Array(bytes.length + 1)
    longer.set(bytes)
    t.throws(() => decodeCommand(longer), { code: "internal" })
  }
  t.throws(() => decodeCommand(Uint8Array.of(77)), /unknown kind 77/)
})
