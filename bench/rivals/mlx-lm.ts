// The rival mlx-lm: makes a Python environment of its own and a folder with the same weights, once, then measures when
// asked. Also a benchmark by itself:
//
//   node dist/bench/rivals/mlx-lm.js --model models/SmolLM2-135M-Instruct.Q4_1.gguf --prompt 128 --generate 32

import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { finish, summarize, table } from "../report.ts"
import { ROOT, STARTER_MODEL } from "../settings.ts"

export interface MlxLmOptions {
  /** A GGUF file of the llama family, which is converted, or a folder that mlx-lm loads as it is. */
  readonly model: string
  /** A Python that has mlx-lm; absent: an environment is made in .cache. */
  readonly python?: string | undefined
  /** A folder with the converted model; absent: it is made in .cache. */
  readonly converted?: string | undefined
}

export interface Speed {
  readonly prefillTps: number
  readonly decodeTps: number
  /** CPU time for each token, of all threads: what a shared machine does not distort by making anyone wait. */
  readonly prefillCpuMs: number
  readonly decodeCpuMs: number
}

/** One answer of mlx_lm_speed.py. */
interface Measured {
  readonly prefill_tps: number
  readonly prefill_cpu_ms: number
  readonly decode_tps: number | null
  readonly decode_cpu_ms: number | null
}

export interface MlxLm {
  readonly versions: { readonly mlx_lm: string; readonly mlx: string }
  measure(load: { prompt: number; generate: number; seed: number }): Promise<Speed>
  close(): Promise<void>
}

const CACHE = join(ROOT, ".cache", "rivals")
const script = (name: string): string => join(ROOT, "bench", "rivals", name)
const shell = (program: string, parameters: readonly string[]): void => {
  execFileSync(program, parameters, { stdio: ["ignore", "ignore", "inherit"] })
}

function environment(): string {
  const folder = join(CACHE, "mlx-lm")
  const python = join(folder, "bin", "python")
  if (existsSync(python)) return python
  process.stderr.write("bench: installing mlx-lm into .cache/rivals (once)\n")
  mkdirSync(CACHE, { recursive: true })
  try {
    shell("python3", ["-m", "venv", folder])
    shell(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", script("requirements.txt")])
  } catch (cause) {
    // Half an environment would be taken for a whole one the next time.
    rmSync(folder, { recursive: true, force: true })
    throw new Error("cannot install mlx-lm: give a Python that has it with --python", { cause })
  }
  return python
}

function convertedFolder(python: string, model: string): string {
  if (statSync(model).isDirectory()) return model
  const folder = join(CACHE, basename(model, ".gguf"))
  if (existsSync(folder)) return folder
  process.stderr.write(`bench: converting ${basename(model)} for mlx-lm (once)\n`)
  const part = `${folder}.part`
  rmSync(part, { recursive: true, force: true })
  shell(python, [script("gguf_to_mlx.py"), model, part])
  renameSync(part, folder)
  return folder
}

export async function openMlxLm(options: MlxLmOptions): Promise<MlxLm> {
  const python = options.python ?? environment()
  const folder = options.converted ?? convertedFolder(python, options.model)
  const child = spawn(python, [script("mlx_lm_speed.py"), folder], { stdio: ["pipe", "pipe", "inherit"] })
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  child.once("error", () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answer = async (): Promise<unknown> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error("mlx-lm ended: its last words are above")
    return JSON.parse(value)
  }
  // The shapes are mlx_lm_speed.py's.
  const versions = (await answer()) as MlxLm["versions"]
  return {
    versions,
    async measure(load) {
      child.stdin.write(`${JSON.stringify(load)}\n`)
      const speed = (await answer()) as Measured
      return {
        prefillTps: speed.prefill_tps,
        decodeTps: speed.decode_tps ?? Number.NaN,
        prefillCpuMs: speed.prefill_cpu_ms,
        decodeCpuMs: speed.decode_cpu_ms ?? Number.NaN,
      }
    },
    async close() {
      child.stdin.end()
      await exited
    },
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: STARTER_MODEL },
      python: { type: "string" },
      converted: { type: "string" },
      prompt: { type: "string", default: "512" },
      generate: { type: "string", default: "32" },
      rounds: { type: "string", default: "3" },
    },
  })
  const rival = await openMlxLm(values)
  const speeds: Speed[] = []
  try {
    for (let seed = 1; seed <= Number(values.rounds); seed++) {
      speeds.push(await rival.measure({ prompt: Number(values.prompt), generate: Number(values.generate), seed }))
    }
  } finally {
    await rival.close()
  }
  const prefillTps = summarize(speeds.map((speed) => speed.prefillTps))
  const decodeTps = summarize(speeds.map((speed) => speed.decodeTps))
  table([
    { rival: `mlx-lm ${rival.versions.mlx_lm}`, "prefill tok/s": prefillTps.median, "decode tok/s": decodeTps.median },
  ])
  finish("mlx-lm", { ...rival.versions, prompt: Number(values.prompt), prefillTps, decodeTps })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
