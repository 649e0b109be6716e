// Copies a model to another host: only what is missing there or differs, a broken copy goes on where it stopped, and every
// file is compared by sha256 before it counts. A file under way has another name: a model is never half there by its name.

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { readdir, stat } from "node:fs/promises"
import { basename, dirname, join, relative } from "node:path"
import { Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { quote, quoteFolder } from "../control/index.ts"
import { OperationError } from "./errors.ts"
import type { RemoteHost } from "./remote-host.ts"

export interface ModelFile {
  /** Below the folder of the model. */
  readonly name: string
  readonly sizeBytes: number
  readonly sha256: string
}

export interface ModelManifest {
  /** The folder that holds the files, here. */
  readonly folder: string
  readonly files: readonly ModelFile[]
  readonly sizeBytes: number
}

/** Hashing or copying a file of a hundred gigabytes over a slow network. */
const FILE_MS = 24 * 3_600_000
const QUESTION_MS = 60_000
const PROGRESS_MS = 1000
const PARTIAL = ".part"

/** Reads every byte of a model: a folder, or one file. */
export async function readModelManifest(path: string, progress: (line: string) => void): Promise<ModelManifest> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new OperationError("model_missing", `there is no model at ${path}`, cause)
  })
  const folder = found.isDirectory() ? path : dirname(path)
  const names = found.isDirectory() ? await filesOf(path) : [basename(path)]
  const files: ModelFile[] = []
  for (const name of names) {
    const { size } = await stat(join(folder, name))
    if (size > LARGE_BYTES) progress(`reading ${name} (${megabytes(size)})`)
    files.push({ name, sizeBytes: size, sha256: await sha256Of(join(folder, name)) })
  }
  return { folder, files, sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0) }
}

const LARGE_BYTES = 1e9
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const names: string[] = []
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const hidden = relative(folder, path)
      .split("/")
      .some((part) => part.startsWith("."))
    // A cache of a download tool is no part of the model. A link, as such a cache makes them, is sent as its file.
    if (!hidden && !entry.name.endsWith(PARTIAL) && (await stat(path)).isFile()) names.push(relative(folder, path))
  }
  return names.toSorted()
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash)
  return hash.digest("hex")
}

export interface SyncResult {
  readonly host: string
  /** Where it lies there. */
  readonly folder: string
  readonly files: number
  readonly copiedFiles: number
  readonly copiedBytes: number
  /** Of the copied files, what was there already from an earlier try. */
  readonly resumedBytes: number
}

/** Rejects with OperationError copy_failed or ControlError ssh_failed. `folder`: where it is to lie there. */
export async function syncModel(
  host: RemoteHost,
  manifest: ModelManifest,
  folder: string,
  progress: (line: string) => void,
): Promise<SyncResult> {
  const there = await sizesThere(host, folder, manifest.files)
  const sized = manifest.files.filter(({ name, sizeBytes }) => there.get(name)?.whole === sizeBytes)
  const hashes = await hashesThere(
    host,
    folder,
    sized.map(({ name }) => name),
  )
  let copiedFiles = 0
  let copiedBytes = 0
  let resumedBytes = 0
  for (const file of manifest.files) {
    if (hashes.get(file.name) === file.sha256) continue
    const partial = there.get(file.name)?.partial ?? null
    let from = partial !== null && partial <= file.sizeBytes ? partial : 0
    for (let attempt = 0; ; attempt++) {
      await copyFrom(host, manifest, folder, file, from, progress)
      const partName = `${file.name}${PARTIAL}`
      if ((await hashesThere(host, folder, [partName])).get(partName) === file.sha256) break
      // What an earlier try left behind may have been another file: once more from its beginning.
      if (attempt > 0 || from === 0) {
        throw new OperationError(
          "copy_failed",
          `${host.name}: ${file.name} does not arrive as it was sent: check the disk there, and the file here if it changes`,
        )
      }
      from = 0
    }
    await must(host, `mv -f ${pathThere(folder, `${file.name}${PARTIAL}`)} ${pathThere(folder, file.name)}`, file.name)
    copiedFiles += 1
    copiedBytes += file.sizeBytes - from
    resumedBytes += from
  }
  return { host: host.name, folder, files: manifest.files.length, copiedFiles, copiedBytes, resumedBytes }
}

const pathThere = (folder: string, name: string) => `${quoteFolder(folder)}/${quote(name)}`

interface SizesThere {
  readonly whole: number | null
  readonly partial: number | null
}

async function sizesThere(
  host: RemoteHost,
  folder: string,
  files: readonly ModelFile[],
): Promise<Map<string, SizesThere>> {
  const names = files.flatMap(({ name }) => [name, `${name}${PARTIAL}`])
  // `wc -c` is the same everywhere; `stat` is not.
  const { stdout } = await host.run(
    names.map(
      (name) => `if [ -f ${pathThere(folder, name)} ]; then wc -c < ${pathThere(folder, name)}; else echo -; fi`,
    ),
    { timeoutMs: QUESTION_MS },
  )
  const sizes = stdout
    .trim()
    .split("\n")
    .map((line) => (line.trim() === "-" ? null : Number(line)))
  return new Map(
    files.map(({ name }, at) => [name, { whole: sizes[2 * at] ?? null, partial: sizes[2 * at + 1] ?? null }]),
  )
}

/** By name. A Mac has `shasum`, others `sha256sum`. */
async function hashesThere(
  host: RemoteHost,
  folder: string,
  names: readonly string[],
): Promise<Map<string, string | undefined>> {
  if (names.length === 0) return new Map()
  const { stdout } = await host.run(
    [
      "if command -v sha256sum >/dev/null 2>&1; then hash() { sha256sum; }; else hash() { shasum -a 256; }; fi",
      ...names.map((name) => `hash < ${pathThere(folder, name)}`),
    ],
    { timeoutMs: FILE_MS },
  )
  const lines = stdout.trim().split("\n")
  return new Map(names.map((name, at) => [name, lines[at]?.trim().split(/\s/u)[0]]))
}

async function copyFrom(
  host: RemoteHost,
  { folder: here }: ModelManifest,
  folder: string,
  file: ModelFile,
  from: number,
  progress: (line: string) => void,
): Promise<void> {
  const target = pathThere(folder, `${file.name}${PARTIAL}`)
  const head = `${host.name}: ${file.name}`
  const began = performance.now()
  let sent = 0
  let saidMs = began
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      sent += chunk.length
      const nowMs = performance.now()
      if (nowMs - saidMs > PROGRESS_MS) {
        saidMs = nowMs
        const rate = sent / 1e6 / ((nowMs - began) / 1000)
        progress(`${head} ${megabytes(from + sent)} of ${megabytes(file.sizeBytes)}, ${rate.toFixed(0)} MB/s`)
      }
      done(null, chunk)
    },
  })
  if (from > 0) progress(`${head} goes on at ${megabytes(from)}`)
  const source = createReadStream(join(here, file.name), { start: from })
  source.on("error", (error) => count.destroy(error))
  const { code, stderr } = await host.run(
    [`mkdir -p "$(dirname ${target})" || exit 1`, `exec cat ${from > 0 ? ">>" : ">"} ${target}`],
    { timeoutMs: FILE_MS, input: source.pipe(count) },
  )
  if (code !== 0) throw new OperationError("copy_failed", `${head}: ${stderr.trim().split("\n").at(-1) ?? ""}`)
}

async function must(host: RemoteHost, line: string, name: string): Promise<void> {
  const { code, stderr } = await host.run([line], { timeoutMs: QUESTION_MS })
  if (code !== 0) throw new OperationError("copy_failed", `${host.name}: ${name}: ${stderr.trim()}`)
}
