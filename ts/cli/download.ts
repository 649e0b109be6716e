// `mlx-cluster download`: a model from a hub into the models folder, and from there to the other hosts.

import { join, resolve } from "node:path"
import { type Command, CommandError, EXIT, UsageError } from "./command.ts"
import { HOST_FLAGS, ONLY_FLAG } from "./hosts.ts"
import { modelsFolderOf, modelFlags } from "./model-flags.ts"
import { isSet, text } from "./parse.ts"
import { sync } from "./sync.ts"

const HUB = "https://huggingface.co"
const SHOWN = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
const FOLDER_FLAG = { "models-dir": modelFlags["models-dir"] ?? { type: "string", help: "" } } as const

export const download: Command = {
  name: "download",
  summary: "fetch a model from a hub, and copy it to the other hosts",
  usage: "[options] <owner/name>",
  flags: {
    revision: { type: "string", value: "<name>", help: "branch, tag or commit (default: main)" },
    file: { type: "string", value: "<name.gguf>", help: "this file alone, of a repository of GGUF files" },
    hub: { type: "string", value: "<url>", help: `where models come from (default HF_ENDPOINT, or ${HUB})` },
    "no-sync": { type: "boolean", help: "only to this machine" },
    json: { type: "boolean", help: "what was done, as JSON, one line" },
    ...FOLDER_FLAG,
    ...ONLY_FLAG,
    ...HOST_FLAGS,
  },
  positionals: true,
  examples: [
    ["mlx-cluster download mlx-community/Qwen3-8B-4bit", "then: mlx-cluster serve --model Qwen3-8B-4bit"],
    ["mlx-cluster download owner/name-GGUF --file name-Q4_0.gguf", "one file of several"],
  ],
  notes: [
    "A broken download goes on where it stopped; every file is compared with the hub's hash of it.",
    "Environment: HF_TOKEN (sent to the hub alone, over https), HF_ENDPOINT.",
    "Exit codes: 0 it is there, 1 failed, 2 wrong command line.",
  ],
  async run({ flags, positionals }) {
    const { downloadModel, isHubId, neededFiles, readHubModel } = await import("../operations/index.ts")
    const [id = "", ...more] = positionals
    if (more.length > 0 || !isHubId(id)) throw new UsageError("a model of a hub is written owner/name")
    const endpoint = text(flags, "hub") ?? process.env["HF_ENDPOINT"] ?? HUB
    if (!URL.canParse(endpoint)) throw new UsageError(`--hub is no address: ${JSON.stringify(endpoint)}`)
    const token = process.env["HF_TOKEN"] ?? ""
    const hub = { endpoint, token: token === "" ? null : token }
    const file = text(flags, "file") ?? ""
    const modelsFolder = modelsFolderOf(flags)
    const model = await readHubModel(hub, id, text(flags, "revision") ?? "main")
    const files = neededFiles(model, file)
    // The name that was asked for, whatever the hub calls it by now.
    const name = id.split("/")[1] ?? id
    const progress = (line: string) => process.stderr.write(`${line}\n`)
    const place = { modelsFolder, name: file === "" ? name : null }
    const done = await downloadModel(hub, model, files, place, progress)
    const path = file === "" ? done.folder : join(done.folder, file)
    if (isSet(flags, "json")) console.log(JSON.stringify({ id, commit: model.commit, path, ...done }))
    else {
      const resumed = done.resumedBytes === 0 ? "" : `, ${SHOWN(done.resumedBytes)} were there`
      const words =
        done.fetchedFiles === 0
          ? `all ${done.files} files are there`
          : `${done.fetchedFiles} of ${done.files} files fetched, ${SHOWN(done.fetchedBytes)}${resumed}`
      console.log(`${id}: ${words} (${path})`)
    }
    await checkModel(path)
    if (isSet(flags, "no-sync")) return EXIT.ok
    return await sync.run({ flags: { ...flags, model: resolve(path) }, positionals: [] })
  },
}

/** What cannot be served is said at once, and not at the next start. */
async function checkModel(path: string): Promise<void> {
  const { openModelFiles } = await import("../engine/index.ts")
  await openModelFiles(path).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CommandError(`it is at ${path}, but cannot be served: ${reason}`, { cause })
  })
}
