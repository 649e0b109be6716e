// `mlx-cluster doctor`: examines every host of the hostfile and says what to do.

import { createServer } from "node:net"
import { homedir } from "node:os"
import { resolve } from "node:path"
import type { Finding, HostFacts, HostReport } from "../operations/index.ts"
import { type Command, EXIT, UsageError } from "./command.ts"
import { HOST_FLAGS, type Hosts, hostsOf, TRANSPORT_FLAG } from "./hosts.ts"
import { modelFlags, modelPath } from "./model-flags.ts"
import { packageVersion } from "./package-info.ts"
import { isSet, text } from "./parse.ts"
import { columns } from "./screen-text.ts"
import { type Paint, paintFor, printable } from "./terminal.ts"
import { pathThere } from "./path-there.ts"

/** A host's tools may hang for 10 s each, at the same time. */
const FACTS_MS = 60_000
const MARKS = { ok: ["green", "ok"], warning: ["yellow", "warning"], problem: ["red", "problem"] } as const

export const doctor: Command = {
  name: "doctor",
  summary: "examine this machine and every host of the hostfile, and say what to do",
  usage: "[options]",
  flags: {
    ...modelFlags,
    json: { type: "boolean", help: "the findings as JSON, one line" },
    facts: { type: "boolean", help: "what hardware and software the hosts have, without findings" },
    "this-host": { type: "boolean", help: "only the facts of this machine, as JSON (what doctor asks of other hosts)" },
    reach: { type: "string", value: "<address:port>", help: "with --this-host: whether this is reached from here" },
    ...TRANSPORT_FLAG,
    ...HOST_FLAGS,
  },
  positionals: false,
  examples: [
    ["mlx-cluster doctor", "before the first start, and whenever something is odd"],
    ["mlx-cluster doctor --model mlx-community/Qwen3-8B-4bit", "the model on every host too"],
  ],
  notes: ["Exit codes: 0 no problem, 1 at least one problem, 2 wrong command line or hostfile."],
  async run({ flags }) {
    const { examine, readHostFacts } = await import("../operations/index.ts")
    const wanted = text(flags, "model")
    if (isSet(flags, "this-host")) {
      const facts = await readHostFacts({
        version: packageVersion(),
        model: wanted === undefined ? null : wanted.replace(/^~(?=\/)/u, homedir()),
        reach: addressOf(text(flags, "reach")),
      })
      console.log(JSON.stringify(facts))
      return EXIT.ok
    }
    const hosts = await hostsOf(flags)
    const model = wanted === undefined ? null : resolve(await modelPath(flags))
    const reports = await examineAll(hosts, model)
    if (isSet(flags, "facts")) {
      console.log(
        isSet(flags, "json") ? JSON.stringify(reports) : factsScreen(hosts, reports, paintFor(process.stdout)),
      )
      return reports.every((report) => "facts" in report) ? EXIT.ok : EXIT.failed
    }
    const findings = examine(hosts.hostfile, reports)
    if (isSet(flags, "json")) console.log(JSON.stringify({ hostfile: hosts.path, findings }))
    else console.log(screen(hosts, findings, paintFor(process.stdout)))
    return findings.some(({ state }) => state === "problem") ? EXIT.failed : EXIT.ok
  },
}

function addressOf(value: string | undefined): { readonly host: string; readonly port: number } | null {
  if (value === undefined) return null
  const at = value.lastIndexOf(":")
  const port = Number(value.slice(at + 1))
  if (at > 0 && Number.isInteger(port) && port > 0) return { host: value.slice(0, at), port }
  throw new UsageError(`--reach is written address:port, not ${JSON.stringify(value)}`)
}

/** The others try to reach a listener that stands where the coordinator would. */
async function examineAll({ hostfile, others }: Hosts, model: string | null): Promise<HostReport[]> {
  const { readHostFacts } = await import("../operations/index.ts")
  const address = hostfile.hosts[0]?.ips[0] ?? "127.0.0.1"
  const listener = createServer((socket) => socket.destroy())
  const port = await new Promise<number | null>((resolve) => {
    listener.once("error", () => resolve(null))
    listener.listen({ host: address, port: 0 }, () => {
      const bound = listener.address()
      resolve(bound === null || typeof bound === "string" ? null : bound.port)
    })
  })
  try {
    const own = readHostFacts({ version: packageVersion(), model, reach: null }).then((facts) => ({ facts }))
    const remote = others.map(async (host): Promise<HostReport> => {
      const words = ["doctor", "--this-host", ...(port === null ? [] : ["--reach", `${address}:${port}`])]
      if (model !== null) words.push("--model", pathThere(model, host.folder))
      try {
        const { code, stdout, stderr } = await host.program(words, { timeoutMs: FACTS_MS })
        if (code === 0) {
          // The same program wrote it; another version is told by its first field.
          return { facts: JSON.parse(stdout) as HostFacts }
        }
        return { error: printable(stderr.trim().split("\n").at(-1) ?? `it ended with code ${code}`) }
      } catch (error) {
        return { error: error instanceof Error ? error.message : String(error) }
      }
    })
    return await Promise.all([own, ...remote])
  } finally {
    listener.close()
  }
}

function factsScreen({ hostfile }: Hosts, reports: readonly HostReport[], paint: Paint): string {
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  const blocks = hostfile.hosts.map(({ rank, ssh }, at) => {
    const title = paint("bold", `rank ${rank}  ${ssh}`)
    const report = reports[at]
    if (report === undefined || !("facts" in report)) {
      return [title, `  ${paint("red", printable(report?.error ?? "it was not asked"))}`]
    }
    const { facts } = report
    const memory = `${gb(facts.totalBytes)}, ${gb(facts.availableBytes)} free`
    const { devices } = facts.rdma
    const rdma = (devices ?? []).map(({ name, state }) => `${name} ${state ?? ""}`.trim()).join(", ")
    return [
      title,
      ...columns([
        ["host", printable(facts.hostname)],
        ["processor", printable(`${facts.processor}, ${facts.cores} cores`)],
        ["memory", memory],
        ["system", printable(`${facts.platform} ${facts.system}`)],
        ["program", printable(`${facts.version}, Node.js ${facts.node}`)],
        ["MLX", printable(facts.mlx.text)],
        ["addresses", printable(facts.addresses.join(" "))],
        ["RDMA", printable(rdma === "" ? "no device" : rdma)],
      ]),
    ]
  })
  return blocks.map((lines) => lines.join("\n")).join("\n\n")
}

function screen({ hostfile, path }: Hosts, findings: readonly Finding[], paint: Paint): string {
  const { shape, transport } = hostfile.topology
  const count = hostfile.hosts.length
  const lines = [`${path}: ${count === 1 ? "one host" : `${count} hosts, a ${shape} over ${transport}`}`]
  for (const { rank, ssh } of hostfile.hosts) {
    lines.push("", paint("bold", `rank ${rank}  ${ssh}${rank === 0 ? "  (this machine)" : ""}`))
    for (const { rank: of, subject, state, text: words, cure } of findings) {
      if (of !== rank) continue
      const [colour, mark] = MARKS[state]
      lines.push(`  ${paint(colour, mark.padEnd(8))} ${subject.padEnd(10)} ${printable(words)}`)
      if (cure !== "") lines.push(`  ${" ".repeat(19)} -> ${printable(cure)}`)
    }
  }
  const problems = findings.filter(({ state }) => state === "problem").length
  const words = problems === 1 ? "1 problem" : `${problems} problems`
  lines.push("", problems === 0 ? paint("green", "no problem found") : paint("red", words))
  return lines.join("\n")
}
