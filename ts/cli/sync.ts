// `mlx-cluster sync`: a model on the other hosts, byte for byte.

import { resolve } from "node:path"
import { type Command, EXIT } from "./command.ts"
import { failIfAny, HOST_FLAGS, hostsOf, onEach, ONLY_FLAG } from "./hosts.ts"
import { modelFlags, modelPath } from "./model-flags.ts"
import { pathThere } from "./path-there.ts"
import { isSet } from "./parse.ts"

export const sync: Command = {
  name: "sync",
  summary: "copy a model to the other hosts of the hostfile",
  usage: "[options]",
  flags: {
    ...modelFlags,
    json: { type: "boolean", help: "what was done, as JSON, one line" },
    ...ONLY_FLAG,
    ...HOST_FLAGS,
  },
  positionals: false,
  examples: [
    ["mlx-cluster sync --model mlx-community/Qwen3-8B-4bit", "to the place where the ranks look for it"],
    ["mlx-cluster sync --model tiny --host mac2", "to one host"],
  ],
  notes: [
    "Only what is missing or differs is sent; a broken copy goes on where it stopped; sha256 decides.",
    "Exit codes: 0 all hosts have it, 1 one of them has not, 2 wrong command line, hostfile or model.",
  ],
  async run({ flags }) {
    const { others } = await hostsOf(flags)
    const { readModelManifest, syncModel } = await import("../operations/index.ts")
    const path = await modelPath(flags)
    const progress = (line: string) => process.stderr.write(`${line}\n`)
    if (others.length === 0) {
      console.log(isSet(flags, "json") ? "[]" : "the hostfile names no other host: nothing to do")
      return EXIT.ok
    }
    const manifest = await readModelManifest(resolve(path), progress)
    const outcomes = await onEach(others, (host) =>
      syncModel(host, manifest, pathThere(manifest.folder, host.folder), progress),
    )
    if (isSet(flags, "json")) console.log(JSON.stringify(outcomes))
    else {
      for (const { value } of outcomes) {
        if (value === null) continue
        const resumed = value.resumedBytes === 0 ? "" : `, ${(value.resumedBytes / 1e6).toFixed(1)} MB were there`
        const copied = `${value.copiedFiles} of ${value.files} files copied, ${(value.copiedBytes / 1e6).toFixed(1)} MB${resumed}`
        const words = value.copiedFiles === 0 ? `all ${value.files} files are there` : copied
        console.log(`${value.host}: ${words} (${value.folder})`)
      }
    }
    failIfAny(outcomes)
    return EXIT.ok
  },
}
