// What a hub says of a model, checked: a name from it becomes a name on this disk. And which of its files a model needs.

import { OperationError } from "./errors.ts"

export interface HubFile {
  /** A plain name: of a file at the top of the repository. */
  readonly name: string
  readonly sizeBytes: number
  /** Hexadecimal; null where the file is not in the hub's large-file storage: then git's hash counts. */
  readonly sha256: string | null
  readonly gitHash: string
}

export interface HubModel {
  /** "owner/name". */
  readonly id: string
  readonly commit: string
  readonly files: readonly HubFile[]
}

/** What MLX and the text half read; weights in other formats are left where they are. */
const NEEDED = /\.(safetensors|json|jinja|model|txt|tiktoken)$/u
const PLAIN = /^[A-Za-z0-9_][\w.+-]*$/u
const ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/u
const SHA256 = /^[0-9a-f]{64}$/u
const SHA1 = /^[0-9a-f]{40}$/u

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
const matching = (value: unknown, pattern: RegExp) => (typeof value === "string" && pattern.test(value) ? value : null)

export function isHubId(id: string): boolean {
  return ID.test(id)
}

/** Null: not what a hub answers. Files below folders of the repository are left out. */
export function parseHubModel(body: unknown): HubModel | null {
  const [id, commit] = [matching(fieldOf(body, "id"), ID), matching(fieldOf(body, "sha"), SHA1)]
  const siblings = fieldOf(body, "siblings")
  if (id === null || commit === null || !Array.isArray(siblings)) return null
  const files = siblings.flatMap((sibling: unknown): HubFile[] => {
    const lfs = fieldOf(sibling, "lfs")
    const [name, gitHash] = [matching(fieldOf(sibling, "rfilename"), PLAIN), matching(fieldOf(sibling, "blobId"), SHA1)]
    const sha256 = matching(fieldOf(lfs, "sha256"), SHA256)
    const sizeBytes = fieldOf(lfs, "size") ?? fieldOf(sibling, "size")
    const isSize = typeof sizeBytes === "number" && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0
    if (name === null || !isSize || (sha256 === null && gitHash === null)) return []
    return [{ name, sizeBytes, sha256, gitHash: gitHash ?? "" }]
  })
  return { id, commit, files }
}

/** `file`: the .gguf file that is meant, or "" for a folder of safetensors. Throws OperationError model_missing. */
export function neededFiles(model: HubModel, file: string): readonly HubFile[] {
  const packed = model.files.filter(({ name }) => name.endsWith(".gguf")).map(({ name }) => name)
  if (file !== "") {
    const found = model.files.find(({ name }) => name === file)
    if (found !== undefined && packed.includes(file)) return [found]
    throw new OperationError("model_missing", `${model.id} has no file ${file}; of this kind it has ${listed(packed)}`)
  }
  const files = model.files.filter(({ name }) => NEEDED.test(name))
  const has = (pattern: RegExp) => files.some(({ name }) => pattern.test(name))
  if (has(/\.safetensors$/u) && has(/^config\.json$/u)) return files
  const hint = packed.length === 0 ? "" : `; name one of its files with --file: ${listed(packed)}`
  throw new OperationError("model_missing", `${model.id} has no config.json with .safetensors files${hint}`)
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ")
}
