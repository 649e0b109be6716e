// The proof of a cluster: what it compares with what, and what it says where the ranks' answer is not the expected one.

import t from "tap"
import { certify, type CertificateOptions, referenceAnswer } from "./certificate.ts"
import { type MakeLoop, PROOF_CHUNK, type ProofAnswer } from "./proof.ts"
import { RECORD_WORDS, RecordKind } from "./rings/index.ts"

const ANSWER_TOKENS = 16

/** Loops that answer with `token(i, chunk)`, all of them as likely. */
function loopsOf(token: (i: number, chunk: number) => number, logprob = -0.5): MakeLoop {
  return ({ prefillChunk }, emit) => {
    let sent = 0
    return {
      // Only these are called of a scheduler and a loop.
      scheduler: { submit: () => undefined } as unknown as ReturnType<MakeLoop>["scheduler"],
      loop: {
        steps: 0,
        stepUsMean: 0,
        takeStepTimes: () => [],
        step() {
          const words = new Int32Array(RECORD_WORDS)
          words[0] = RecordKind.token
          words[4] = token(sent, prefillChunk)
          new Float32Array(words.buffer)[5] = logprob
          emit(words)
          return ++sent < ANSWER_TOKENS
        },
      },
    }
  }
}

const options: CertificateOptions = {
  model: 0,
  ranks: 3,
  mlxVersion: "0.32.4",
  signature: "of a model",
  numeric: "int8x2",
  firstWeight: 0,
  elementBytes: 4,
  references: { read: () => null, write: () => undefined },
  modelBytes: 1000,
  availableBytes: () => 1299,
  nowUs: () => 0,
}
/** Of an engine only its name is asked for here. */
const engine = { backend: "cpu-scalar" } as Parameters<typeof certify>[0]

const right: ProofAnswer = {
  tokens: Array.from({ length: ANSWER_TOKENS }, (_, i) => i),
  logprobs: Array.from({ length: ANSWER_TOKENS }, () => -0.5),
}

t.test("ranks that answer as one rank does are certified so", async (t) => {
  const certificate = certify(
    engine,
    loopsOf((i) => i),
    right,
    100,
    options,
  )
  t.match(certificate, { proof: "one rank", ranks: 3, backend: "cpu-scalar", tokens: 16, agreeing: 16 })
})

t.test("a wrong token ends the start with one sentence that names it", async (t) => {
  const wrong = loopsOf((i) => (i === 5 ? 77 : i), -3)
  t.throws(() => certify(engine, wrong, right, 100, options), {
    code: "model_unreadable",
    message:
      /^The ranks do not compute this model rightly: token 0 of a fixed prompt's answer is 0 \(log-probability -3\.0000\) over 3 ranks, but 0 \(-0\.5000\) on one\./u,
  })
})

t.test("a model too large for one rank is proved by agreement: the chunks of the prompt change nothing", async (t) => {
  const config = {} as Parameters<typeof referenceAnswer>[2]
  const checkpoint = {} as Parameters<typeof referenceAnswer>[1]
  t.equal(referenceAnswer(engine, checkpoint, config, options), null, "1,300 bytes are needed, 1,299 are free")
  const known = { ...options, references: { read: () => right, write: () => undefined } }
  t.equal(referenceAnswer(engine, checkpoint, config, known), right, "what one rank said once counts whatever is free")

  const steady = loopsOf((i) => i)
  t.match(certify(engine, steady, null, 100, options), { proof: "agreement", ranks: 3, tokens: 16, agreeing: 16 })
  const moody = loopsOf((i, chunk) => (i === 2 && chunk === PROOF_CHUNK ? 99 : i))
  t.match(certify(engine, moody, null, 100, options), { agreeing: 2 }, "a tie may fall either way")
  const chunks: MakeLoop = (chunk, emit) =>
    loopsOf((i) => i, chunk.prefillChunk === PROOF_CHUNK ? -0.5 : -2)(chunk, emit)
  t.throws(() => certify(engine, chunks, null, 100, options), { message: /in chunks, but .* with the prompt in one/u })
})
