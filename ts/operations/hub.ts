// A model from a hub that speaks Hugging Face's HTTP API: which files it has, and each of them whole. A file under way has
// another name, a broken download goes on where it stopped, and every file is compared with the hub's own hash of it.

import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { mkdir, rename, rm, stat, statfs } from "node:fs/promises"
import { basename, join } from "node:path"
import { Readable, Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { setTimeout as pause } from "node:timers/promises"
import { type HubFile, type HubModel, parseHubModel } from "./hub-model.ts"
import { OperationError } from "./errors.ts"

export interface Hub {
  /** Such as https://huggingface.co. */
  readonly endpoint: string
  /** Given to this hub alone, never to where it redirects. */
  readonly token: string | null
}

export interface Download {
  readonly folder: string
  readonly files: number
  readonly fetchedFiles: number
  readonly fetchedBytes: number
  /** Of the fetched files, what was there already from an earlier try. */
  readonly resumedBytes: number
}

const ANSWER_MS = 60_000
/** Silence of the hub after which a file is asked for anew. */
const SILENT_MS = 60_000
const ATTEMPTS = 5
const PAUSE_MS = 1000
const PROGRESS_MS = 1000
const PARTIAL = ".part"
/** Below the models folder; hidden, so that it is no model. */
const UNDER_WAY = ".download"
const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"])

/** Rejects with OperationError hub_refused or hub_unreachable. `id`: "owner/name". */
export async function readHubModel(hub: Hub, id: string, revision: string): Promise<HubModel> {
  const path = `api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`
  const response = await ask(hub, path, {}, AbortSignal.timeout(ANSWER_MS))
  if (response.status !== 200) throw refused(hub, id, response)
  const body: unknown = await response.json().catch(() => null)
  const model = parseHubModel(body)
  if (model === null) throw new OperationError("hub_refused", `${hub.endpoint} answers for ${id} with no list of files`)
  return model
}

/** Into `modelsFolder`: below `name`, or beside the other models where `name` is null. */
export async function downloadModel(
  hub: Hub,
  model: HubModel,
  files: readonly HubFile[],
  place: { readonly modelsFolder: string; readonly name: string | null },
  progress: (line: string) => void,
): Promise<Download> {
  const folder = place.name === null ? place.modelsFolder : join(place.modelsFolder, place.name)
  const underWay = join(place.modelsFolder, UNDER_WAY, basename(model.id))
  await mkdir(underWay, { recursive: true })
  const missing: HubFile[] = []
  for (const file of files) if (!(await isWhole(join(folder, file.name), file))) missing.push(file)
  const waiting = await Promise.all(missing.map(async ({ name }) => sizeOf(join(underWay, `${name}${PARTIAL}`))))
  const bytes = missing.reduce((sum, { sizeBytes }, at) => sum + Math.max(0, sizeBytes - (waiting[at] ?? 0)), 0)
  await checkRoom(underWay, bytes)
  let resumedBytes = 0
  for (const file of missing) resumedBytes += await fetchFile(hub, model, file, underWay, progress)
  // All are here: config.json comes last, because it makes a folder a model.
  await mkdir(folder, { recursive: true })
  const isLast = ({ name }: HubFile) => Number(name === "config.json")
  for (const { name } of missing.toSorted((a, b) => isLast(a) - isLast(b)))
    await rename(join(underWay, name), join(folder, name))
  await rm(underWay, { recursive: true, force: true })
  const fetchedBytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) - resumedBytes
  return { folder, files: files.length, fetchedFiles: missing.length, fetchedBytes, resumedBytes }
}

async function ask(hub: Hub, path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const url = new URL(path, hub.endpoint.endsWith("/") ? hub.endpoint : `${hub.endpoint}/`)
  const secret = hub.token
  if (secret !== null && url.protocol !== "https:" && !LOOPBACK.has(url.hostname)) {
    throw new OperationError("hub_refused", `a token is not sent unencrypted: ${hub.endpoint} is no https address`)
  }
  const authorization = secret === null ? {} : { authorization: `Bearer ${secret}` }
  try {
    // A redirect to another origin loses the authorization: the Fetch standard says so.
    return await fetch(url, { headers: { ...headers, ...authorization, "user-agent": "mlx-jaccl-cluster" }, signal })
  } catch (error) {
    throw unreachable(hub, error)
  }
}

function unreachable(hub: Hub, error: unknown): OperationError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = cause instanceof Error ? ("code" in cause ? String(cause.code) : cause.message) : String(cause)
  return new OperationError(
    "hub_unreachable",
    `${hub.endpoint} does not answer (${reason}): check the network, or give --hub`,
    error,
  )
}

function refused({ endpoint, token }: Hub, what: string, { status }: Response): OperationError {
  const cures: Readonly<Record<number, string>> = {
    401:
      token === null ? `it wants a token, in HF_TOKEN, or there is no such model` : "the token in HF_TOKEN is refused",
    403: `accept the model's terms at ${endpoint}/${what} first`,
    404: "there is no such model, revision or file",
    429: "it asks for fewer requests: try again later",
  }
  return new OperationError(
    "hub_refused",
    `${endpoint} answers ${status} for ${what}: ${cures[status] ?? "try again later"}`,
  )
}

async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  if (bytes <= bavail * bsize) return
  const gb = (value: number) => `${(value / 1e9).toFixed(1)} GB`
  throw new OperationError("no_room", `${gb(bytes)} are to come, and ${folder} has room for ${gb(bavail * bsize)}`)
}

/** Resolves with the bytes that an earlier try had left. */
async function fetchFile(
  hub: Hub,
  model: HubModel,
  file: HubFile,
  folder: string,
  progress: (line: string) => void,
): Promise<number> {
  const target = join(folder, file.name)
  if (await isWhole(target, file)) return file.sizeBytes
  const partial = `${target}${PARTIAL}`
  let resumed: number | null = null
  for (let attempt = 1; ; attempt++) {
    const from = Math.min(await sizeOf(partial), file.sizeBytes)
    resumed ??= from
    try {
      if (from < file.sizeBytes || file.sizeBytes === 0) await append(hub, model, file, partial, from, progress)
      if (await isWhole(partial, file)) break
      // What an earlier try left behind may have been another file: once more from its beginning.
      await rm(partial, { force: true })
      resumed = 0
      if (attempt === ATTEMPTS) {
        throw new OperationError(
          "copy_failed",
          `${file.name} does not arrive as ${hub.endpoint} describes it: try again later`,
        )
      }
    } catch (error) {
      if (attempt === ATTEMPTS || (error instanceof OperationError && error.code !== "hub_unreachable")) throw error
      progress(`${file.name}: ${error instanceof Error ? error.message : String(error)}; once more`)
      await pause(PAUSE_MS * attempt)
    }
  }
  await rename(partial, target)
  return resumed
}

async function append(
  hub: Hub,
  { id, commit }: HubModel,
  file: HubFile,
  partial: string,
  from: number,
  progress: (line: string) => void,
): Promise<void> {
  const silence = new AbortController()
  const watch = setTimeout(() => silence.abort(new Error(`silent for ${SILENT_MS / 1000} s`)), SILENT_MS)
  try {
    const range: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-` }
    const response = await ask(hub, `${id}/resolve/${commit}/${encodeURIComponent(file.name)}`, range, silence.signal)
    if (response.status !== 200 && response.status !== 206) throw refused(hub, `${id}/${file.name}`, response)
    if (response.body === null)
      throw new OperationError("hub_unreachable", `${hub.endpoint} sent nothing of ${file.name}`)
    const start = response.status === 206 ? from : 0
    const meter = createMeter(file, start, progress, () => watch.refresh())
    await pipeline(
      Readable.fromWeb(response.body),
      meter,
      createWriteStream(partial, { flags: start === 0 ? "w" : "a" }),
    ).catch((error: unknown) => {
      throw error instanceof OperationError ? error : unreachable(hub, error)
    })
  } finally {
    clearTimeout(watch)
  }
}

function createMeter(file: HubFile, start: number, progress: (line: string) => void, heard: () => void): Transform {
  const began = performance.now()
  let [came, saidMs] = [0, began]
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0)
  return new Transform({
    transform(chunk: Buffer, _, done) {
      heard()
      came += chunk.length
      if (start + came > file.sizeBytes) {
        done(new OperationError("copy_failed", `${file.name} is longer than the hub says: try again later`))
        return
      }
      const nowMs = performance.now()
      if (nowMs - saidMs > PROGRESS_MS) {
        saidMs = nowMs
        const share = Math.floor(((start + came) / file.sizeBytes) * 100)
        const rate = came / 1e6 / ((nowMs - began) / 1000)
        progress(
          `${file.name} ${share}%, ${megabytes(start + came)} of ${megabytes(file.sizeBytes)} MB, ${rate.toFixed(0)} MB/s`,
        )
      }
      done(null, chunk)
    },
  })
}

/** Size and hash are the hub's. */
async function isWhole(path: string, file: HubFile): Promise<boolean> {
  if ((await sizeOf(path, -1)) !== file.sizeBytes) return false
  const hash = createHash(file.sha256 === null ? "sha1" : "sha256")
  // Files that are not in the large-file storage have git's own hash.
  if (file.sha256 === null) hash.update(`blob ${file.sizeBytes}\0`)
  await pipeline(createReadStream(path), hash)
  return hash.digest("hex") === (file.sha256 ?? file.gitHash)
}

async function sizeOf(path: string, otherwise = 0): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => otherwise,
  )
}
