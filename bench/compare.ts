// Our engine beside mlx-lm and, where its llama-bench is given, llama.cpp: the same weights, the same lengths, in turns
// in one run, so that the machine's moods meet everyone.
//
//   node dist/bench/compare.js --rounds 3 --llama-bench path/to/llama-bench
//
// --rivals none leaves mlx-lm out; --mlx-prompt shortens its prompt, which takes a minute at 512 tokens on a CPU.

import { parseArgs } from "node:util"
import { openBenchEngine } from "./engine-driver.ts"
import { finish, summarize, table } from "./report.ts"
import { measureLlamaCpp } from "./rivals/llama-cpp.ts"
import { openMlxLm, type Speed } from "./rivals/mlx-lm.ts"
import { numericOf, STARTER_MODEL } from "./settings.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: STARTER_MODEL },
    rivals: { type: "string", default: "mlx-lm" },
    python: { type: "string" },
    converted: { type: "string" },
    "llama-bench": { type: "string" },
    threads: { type: "string", default: "1,2" },
    numeric: { type: "string", default: "int8x2" },
    rounds: { type: "string", default: "3" },
    prompt: { type: "string", default: "512" },
    generate: { type: "string", default: "128" },
    "mlx-prompt": { type: "string" },
    "mlx-generate": { type: "string", default: "32" },
    seed: { type: "string", default: "1" },
  },
})

/** Who runs, and how it is measured once. */
interface Contender {
  readonly side: "ours" | "mlx-lm" | "llama.cpp"
  readonly name: string
  readonly measure: (round: number) => Promise<Speed>
  readonly close: () => Promise<void>
  readonly speeds: Speed[]
}

const [prompt, generate, seed] = [Number(values.prompt), Number(values.generate), Number(values.seed)]
const DECODE_PROMPT = 16

const contenders: Contender[] = []
const threadCounts = values.threads.split(",").map(Number)
for (const threads of threadCounts) {
  // One process holds an engine for each thread count; those that wait cost nothing.
  const engine = await openBenchEngine(values.model, { threads, numeric: numericOf(values.numeric) }, seed + threads)
  await engine.run({ streams: 1, prompt: DECODE_PROMPT, generate: 8 })
  contenders.push({
    side: "ours",
    name: `ours, ${engine.facts.threads} thread${engine.facts.threads === 1 ? "" : "s"}`,
    async measure() {
      const decode = await engine.run({ streams: 1, prompt: DECODE_PROMPT, generate })
      const prefill = await engine.run({ streams: 1, prompt, generate: 1 })
      return {
        decodeTps: decode.decodeTps,
        decodeCpuMs: decode.cpuMsPerToken,
        prefillTps: (prompt / prefill.firstTokenMs) * 1000,
        prefillCpuMs: prefill.cpuMs / prompt,
      }
    },
    close: () => engine.close(),
    speeds: [],
  })
}
const llamaBench = values["llama-bench"]
if (llamaBench !== undefined) {
  for (const threads of threadCounts) {
    contenders.push({
      side: "llama.cpp",
      name: `llama.cpp, ${threads} thread${threads === 1 ? "" : "s"}`,
      measure: () => measureLlamaCpp(llamaBench, values.model, { threads, prompt, generate }),
      close: async () => {},
      speeds: [],
    })
  }
}
if (values.rivals.split(",").includes("mlx-lm")) {
  const rival = await openMlxLm(values)
  const mlxPrompt = Number(values["mlx-prompt"] ?? values.prompt)
  const mlxGenerate = Number(values["mlx-generate"])
  contenders.push({
    side: "mlx-lm",
    name: `mlx-lm ${rival.versions.mlx_lm}`,
    async measure(round) {
      const { decodeTps, decodeCpuMs } = await rival.measure({
        prompt: DECODE_PROMPT,
        generate: mlxGenerate,
        seed: seed + 2 * round,
      })
      const { prefillTps, prefillCpuMs } = await rival.measure({
        prompt: mlxPrompt,
        generate: 1,
        seed: seed + 2 * round + 1,
      })
      return { decodeTps, decodeCpuMs, prefillTps, prefillCpuMs }
    },
    close: () => rival.close(),
    speeds: [],
  })
}

try {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { measure, speeds } of contenders) speeds.push(await measure(round))
  }
} finally {
  for (const { close } of contenders) await close()
}

const results = contenders.map(({ side, name, speeds }) => ({
  side,
  name,
  decodeTps: summarize(speeds.map((speed) => speed.decodeTps)),
  decodeCpuMs: summarize(speeds.map((speed) => speed.decodeCpuMs)),
  prefillTps: summarize(speeds.map((speed) => speed.prefillTps)),
  prefillCpuMs: summarize(speeds.map((speed) => speed.prefillCpuMs)),
}))
const medians = (side: Contender["side"], what: keyof Speed): number[] =>
  results.filter((result) => result.side === side).map((result) => result[what].median)
/** Each side with the thread count that suits it. */
const fastest = (side: Contender["side"], what: "decodeTps" | "prefillTps"): number => Math.max(...medians(side, what))
const cheapest = (side: Contender["side"], what: "decodeCpuMs" | "prefillCpuMs"): number =>
  Math.min(...medians(side, what))

table(
  results.map((result) => ({
    who: result.name,
    "decode tok/s": result.decodeTps.median,
    "(range)": `${result.decodeTps.min.toFixed(1)}-${result.decodeTps.max.toFixed(1)}`,
    "CPU ms/tok": result.decodeCpuMs.median,
    "prefill tok/s": result.prefillTps.median,
    "(range) ": `${result.prefillTps.min.toFixed(1)}-${result.prefillTps.max.toFixed(1)}`,
    "CPU ms/tok ": result.prefillCpuMs.median,
  })),
)
const ratios = (["mlx-lm", "llama.cpp"] as const)
  .filter((side) => results.some((result) => result.side === side))
  .map((side) => ({
    side,
    decode: fastest("ours", "decodeTps") / fastest(side, "decodeTps"),
    decodeByCpu: cheapest(side, "decodeCpuMs") / cheapest("ours", "decodeCpuMs"),
    prefill: fastest("ours", "prefillTps") / fastest(side, "prefillTps"),
    prefillByCpu: cheapest(side, "prefillCpuMs") / cheapest("ours", "prefillCpuMs"),
  }))
process.stdout.write("\nOurs over each rival, the best thread count of each side:\n")
table(
  ratios.map((ratio) => ({
    rival: ratio.side,
    decode: ratio.decode,
    "by CPU time": ratio.decodeByCpu,
    prefill: ratio.prefill,
    "by CPU time ": ratio.prefillByCpu,
  })),
)
finish("compare", { model: values.model, numeric: values.numeric, prompt, generate, contenders: results, ratios })
