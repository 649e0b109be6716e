// The rival llama.cpp, by its own llama-bench: one measurement a call, so that another program can take turns with it.

import { execFile } from "node:child_process"
import { promisify } from "node:util"
import type { Speed } from "./mlx-lm.ts"

const LIMIT_MS = 300_000

interface Row {
  readonly avg_ts: number
}

/** One run of llama-bench in which each test runs once, without a warm-up run; CPU time of the whole process. */
async function once(program: string, model: string, threads: number, load: { prompt: number; generate: number }) {
  const parameters = ["-m", model, "-p", load.prompt, "-n", load.generate, "-t", threads, "-r", 1, "-o", "json"]
  // Node does not tell the CPU time of a child; bash does.
  const { stdout, stderr } = await promisify(execFile)(
    "bash",
    ["-c", 'TIMEFORMAT="%U %S"; time "$@"', "bash", program, ...parameters.map(String), "--no-warmup"],
    { timeout: LIMIT_MS, maxBuffer: 2 ** 24, env: { ...process.env, LC_ALL: "C" } },
  )
  // The shape is llama-bench's.
  const rows = JSON.parse(stdout) as readonly Row[]
  const [user = Number.NaN, system = Number.NaN] = (stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number)
  return { tps: rows[0]?.avg_ts ?? Number.NaN, cpuMs: (user + system) * 1000 }
}

export async function measureLlamaCpp(
  program: string,
  model: string,
  load: { threads: number; prompt: number; generate: number },
): Promise<Speed> {
  const { threads, prompt, generate } = load
  // What the process costs besides: start, load, one token.
  const base = await once(program, model, threads, { prompt: 0, generate: 1 })
  const decode = await once(program, model, threads, { prompt: 0, generate })
  const prefill = await once(program, model, threads, { prompt, generate: 0 })
  return {
    prefillTps: prefill.tps,
    decodeTps: decode.tps,
    prefillCpuMs: (prefill.cpuMs - base.cpuMs) / prompt,
    decodeCpuMs: (decode.cpuMs - base.cpuMs) / (generate - 1),
  }
}
