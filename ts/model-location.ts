// From the name of a model to its place on disk: a path, "tiny" (the test model in the repository), or an id in the
// models folder; without a name the starter model. Downloads nothing.

import { readdir, stat } from "node:fs/promises"
import { homedir } from "node:os"
import { isAbsolute, join, resolve } from "node:path"
import { StartError } from "./start-error.ts"

/** What `mlx-cluster setup` fetches. */
export const STARTER_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"

export interface ModelPlaces {
  /** The repository or package this program runs from. */
  readonly root: string
  readonly modelsFolder: string
}

/** Absolute path of a folder or .gguf file that exists. Throws StartError with what to do. */
export async function locateModel(name: string | undefined, places: ModelPlaces): Promise<string> {
  if (name === undefined || name === "") {
    const starter = join(places.modelsFolder, STARTER_MODEL)
    if (await exists(starter)) return starter
    throw new StartError(`the starter model is not at ${starter}: run make server once, or give --model`)
  }
  if (name === "tiny") return join(places.root, "fixtures", "tiny-qwen3")

  const written = name.startsWith("~/") ? join(homedir(), name.slice(2)) : name
  const path = resolve(written)
  if (await exists(path)) return path
  if (isAbsolute(written) || written.startsWith("./") || written.startsWith("../")) {
    throw new StartError(`there is no model at ${path}`)
  }
  // An id stays inside the models folder.
  const parts = name.split("/")
  if (!parts.includes("..") && !parts.includes("")) {
    const last = parts.at(-1) ?? name
    for (const candidate of [name, `${name}.gguf`, last, `${last}.gguf`]) {
      const inside = join(places.modelsFolder, candidate)
      if (await exists(inside)) return inside
    }
  }
  const known = await modelNames(places.modelsFolder)
  throw new StartError(
    `no model ${JSON.stringify(name)}: neither a path nor in ${places.modelsFolder} (${known.length === 0 ? "which is empty" : `there: ${known.join(", ")}`})`,
  )
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

const NAMES_SHOWN = 12

async function modelNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch(() => [])
  return entries.filter((entry) => !entry.startsWith(".")).slice(0, NAMES_SHOWN)
}
