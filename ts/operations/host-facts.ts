// What a host says of itself: version, MLX, memory, limits, a model, the way to the coordinator, RDMA. The same on the
// first host and, through ssh, on the others. Judges nothing (examination.ts does).

import { execFile } from "node:child_process"
import { connect } from "node:net"
import { cpus, freemem, hostname, networkInterfaces, release, totalmem } from "node:os"
import { readRdmaFacts, type RdmaFacts } from "./rdma-facts.ts"

export interface HostFacts {
  readonly version: string
  readonly node: string
  /** "darwin-arm64", "linux-x64". */
  readonly platform: string
  /** Of the operating system: "26.3 (25D125)" on a Mac, the kernel's release elsewhere. */
  readonly system: string
  readonly hostname: string
  readonly addresses: readonly string[]
  readonly processor: string
  readonly cores: number
  readonly totalBytes: number
  readonly availableBytes: number
  /** Files that a process may have open; null: not known. */
  readonly openFiles: number | null
  /** Tools of the commands that are not there. */
  readonly missingTools: readonly string[]
  /** "0.32.4 cpu avx512", or why it cannot be used. */
  readonly mlx: { readonly usable: boolean; readonly text: string }
  readonly model: ModelFact | null
  /** Of the coordinator's address; null: not asked. "" is reachable, else why not. */
  readonly reach: string | null
  readonly rdma: RdmaFacts
}

export interface ModelFact {
  readonly path: string
  readonly sizeBytes: number
  /** Empty where it cannot be read. */
  readonly signature: string
  readonly error: string
}

export interface FactsQuestion {
  readonly version: string
  /** Path of a model on this host. */
  readonly model: string | null
  readonly reach: { readonly host: string; readonly port: number } | null
}

const REACH_MS = 5_000
const TOOLS = ["ssh", "tar"] as const

export async function readHostFacts(question: FactsQuestion): Promise<HostFacts> {
  const [system, openFiles, missing, mlx, model, reach, rdma] = await Promise.all([
    systemName(),
    openFileLimit(),
    Promise.all(TOOLS.map(async (tool) => ((await output("sh", ["-c", `command -v ${tool}`])) === "" ? [tool] : []))),
    mlxFact(),
    question.model === null ? null : modelFact(question.model),
    question.reach === null ? null : reachFact(question.reach.host, question.reach.port),
    readRdmaFacts(),
  ])
  return {
    version: question.version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    system,
    hostname: hostname(),
    addresses: Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    totalBytes: totalmem(),
    availableBytes: freemem(),
    openFiles,
    missingTools: missing.flat(),
    mlx,
    model,
    reach,
    rdma,
  }
}

function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: REACH_MS, killSignal: "SIGKILL" }, (_, stdout) => resolve(stdout.trim()))
  })
}

async function systemName(): Promise<string> {
  if (process.platform !== "darwin") return release()
  return `${await output("sw_vers", ["-productVersion"])} (${await output("sw_vers", ["-buildVersion"])})`
}

async function openFileLimit(): Promise<number | null> {
  const text = await output("sh", ["-c", "ulimit -n"])
  if (text === "unlimited") return Number.MAX_SAFE_INTEGER
  return /^\d+$/u.test(text) ? Number(text) : null
}

async function mlxFact(): Promise<HostFacts["mlx"]> {
  try {
    const [{ loadMlx }, { tokenHalfOptions }] = await Promise.all([
      import("mlx-jaccl-rs"),
      import("../engine/index.ts"),
    ])
    const { libmlxPath, shimPath } = tokenHalfOptions()
    const { version, backend, isa } = loadMlx(libmlxPath, shimPath)
    return { usable: true, text: `MLX ${version} ${backend} ${isa}`.trim() }
  } catch (error) {
    return { usable: false, text: lineOf(error) }
  }
}

async function modelFact(path: string): Promise<ModelFact> {
  try {
    const { modelSignature, openModelFiles } = await import("../engine/index.ts")
    const { sizeBytes } = await openModelFiles(path)
    return { path, sizeBytes, signature: await modelSignature(path), error: "" }
  } catch (error) {
    return { path, sizeBytes: 0, signature: "", error: lineOf(error) }
  }
}

/** "" when a connection comes about. */
function reachFact(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: REACH_MS })
    const end = (text: string) => {
      socket.destroy()
      resolve(text)
    }
    socket.once("connect", () => end(""))
    socket.once("timeout", () => end(`no answer within ${REACH_MS / 1000} s`))
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })
}

function lineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ")
}
