// `mlx-cluster models`: what lies in the models folder, and whether the other hosts have the same.

import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { type Command, EXIT } from "./command.ts"
import { HOST_FLAGS, hostsOf, onEach, ONLY_FLAG } from "./hosts.ts"
import { modelFlags, modelsFolderOf } from "./model-flags.ts"
import { isSet } from "./parse.ts"
import { pathThere } from "./path-there.ts"
import { field } from "./server-client.ts"
import { columns } from "./screen-text.ts"
import { type Paint, paintFor, printable } from "./terminal.ts"

const CHECK_MS = 60_000

interface LocalModel {
  readonly name: string
  readonly path: string
  readonly sizeBytes: number
  readonly family: string
  readonly quantization: string
  readonly contextLength: number
  /** Why it cannot be read; "": it can. */
  readonly error: string
}

interface Checked extends LocalModel {
  /** By host: "" has the same, else what is wrong there. Empty where no other host was asked. */
  readonly hosts: Readonly<Record<string, string>>
}

export const models: Command = {
  name: "models",
  summary: "list the models on this machine, and compare them with the other hosts'",
  usage: "[options]",
  flags: {
    check: { type: "boolean", help: "ask every other host of the hostfile whether it has the same" },
    json: { type: "boolean", help: "the same as JSON, one line" },
    "models-dir": modelFlags["models-dir"] ?? { type: "string", help: "" },
    ...ONLY_FLAG,
    ...HOST_FLAGS,
  },
  positionals: false,
  examples: [
    ["mlx-cluster models", "names, sizes and quantizations"],
    ["mlx-cluster models --check", "mlx-cluster sync copies what is missing"],
  ],
  notes: [
    "Compared are configuration, and size, beginning and end of the weights; mlx-cluster sync compares every byte.",
    "Exit codes: 0 done, 1 a host has not the same, 2 wrong command line or hostfile.",
  ],
  async run({ flags }) {
    const folder = modelsFolderOf(flags)
    const found = await readModels(folder)
    const others = isSet(flags, "check") ? (await hostsOf(flags)).others : []
    const checked: Checked[] = []
    for (const model of found) {
      if (others.length === 0 || model.error !== "") {
        checked.push({ ...model, hosts: {} })
        continue
      }
      const { modelSignature } = await import("../engine/index.ts")
      const own = await modelSignature(model.path)
      const answers = await onEach(others, async (host) => {
        const words = ["doctor", "--this-host", "--model", pathThere(model.path, host.folder)]
        const { code, stdout, stderr } = await host.program(words, { timeoutMs: CHECK_MS })
        if (code !== 0) return printable(stderr.trim().split("\n").at(-1) ?? `it ended with code ${code}`)
        const fact = field(JSON.parse(stdout), "model")
        if (field(fact, "error") !== "") return "missing"
        return field(fact, "signature") === own ? "" : "another copy"
      })
      checked.push({
        ...model,
        hosts: Object.fromEntries(answers.map(({ host, value, error }) => [host, error ?? value ?? ""])),
      })
    }
    if (isSet(flags, "json")) console.log(JSON.stringify({ folder, models: checked }))
    else console.log(screen(folder, checked, others.length, paintFor(process.stdout)))
    return checked.every(({ hosts }) => Object.values(hosts).every((words) => words === "")) ? EXIT.ok : EXIT.failed
  },
}

async function readModels(folder: string): Promise<LocalModel[]> {
  const { openModelFiles } = await import("../engine/index.ts")
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const places = entries.filter(({ name }) => !name.startsWith("."))
  const read = places.map(async (entry): Promise<LocalModel[]> => {
    const path = join(folder, entry.name)
    const isFile = entry.isFile()
    if (isFile && !entry.name.endsWith(".gguf")) return []
    try {
      const { name, sizeBytes, quantization, contextLength, config } = await openModelFiles(path)
      return [{ name, path, sizeBytes, quantization, contextLength, family: config.family, error: "" }]
    } catch (error) {
      const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ")
      const none = { sizeBytes: 0, quantization: "", contextLength: 0, family: "" }
      return [{ ...none, name: entry.name, path, error: reason }]
    }
  })
  return (await Promise.all(read)).flat().toSorted((a, b) => a.name.localeCompare(b.name))
}

function screen(folder: string, found: readonly Checked[], others: number, paint: Paint): string {
  if (found.length === 0) return `no model in ${folder}: mlx-cluster download <owner/name> fetches one`
  const rows = found.map((model) => {
    const hosts = Object.entries(model.hosts)
    const missing = hosts.filter(([, words]) => words !== "").map(([host, words]) => `${host}: ${words}`)
    const same = `${1 + hosts.length - missing.length}/${1 + others} hosts`
    if (model.error !== "") return [model.name, "", "", "", paint("yellow", model.error)]
    return [
      model.name,
      `${(model.sizeBytes / 1e9).toFixed(2)} GB`,
      model.quantization,
      model.family,
      `context ${model.contextLength.toLocaleString("en-US")}`,
      ...(others === 0
        ? []
        : [missing.length === 0 ? paint("green", same) : paint("red", `${same} (${missing.join(", ")})`)]),
    ]
  })
  return [paint("bold", `Models in ${folder}`), ...columns(rows)].join("\n")
}
