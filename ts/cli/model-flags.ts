// The flags that name a model, and where it lies.

import { join, resolve } from "node:path"
import { locateModel } from "../model-location.ts"
import type { Flags, FlagValues } from "./command.ts"
import { packageRoot } from "./package-info.ts"
import { text } from "./parse.ts"

export const modelFlags: Flags = {
  model: {
    type: "string",
    short: "m",
    value: "<name>",
    help: "folder, .gguf file, id in the models folder, or tiny (default: the starter model)",
  },
  "models-dir": { type: "string", value: "<folder>", help: "where models are looked for (default: models)" },
}

/** Absolute. */
export function modelsFolderOf(flags: FlagValues): string {
  return resolve(text(flags, "models-dir") ?? join(packageRoot(), "models"))
}

/** Absolute. Throws StartError, whose exit code is that of a wrong command line. */
export async function modelPath(flags: FlagValues): Promise<string> {
  const root = packageRoot()
  return await locateModel(text(flags, "model"), { root, modelsFolder: modelsFolderOf(flags) })
}
