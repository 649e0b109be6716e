import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import t, { type Test } from "tap"
import { packageRoot } from "./package-info.ts"
import { runProgram } from "./testing/run-program.ts"

const TINY = join(packageRoot(), "fixtures", "tiny-qwen3")
const COMMIT = "0123456789abcdef0123456789abcdef01234567"
const digest = (kind: string, ...parts: readonly (string | Buffer)[]) => {
  const hash = createHash(kind)
  for (const part of parts) hash.update(part)
  return hash.digest("hex")
}

interface Asked {
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

/** A hub with the bundled model; weights are in its large-file storage. `change` spoils what it sends of a file. */
async function startHub(t: Test, change: (name: string, body: Buffer) => Buffer = (_, body) => body) {
  const asked: Asked[] = []
  const names = readdirSync(TINY).filter((name) => /\.(safetensors|json|jinja)$/u.test(name))
  const siblings = names.map((name) => {
    const body = readFileSync(join(TINY, name))
    const plain = { rfilename: name, size: body.length, blobId: digest("sha1", `blob ${body.length}\0`, body) }
    return name.endsWith(".safetensors")
      ? { ...plain, lfs: { size: body.length, sha256: digest("sha256", body) } }
      : plain
  })
  const server = createServer((request, response) => {
    const { url: path = "", headers } = request
    asked.push({ path, range: headers.range, authorization: headers.authorization })
    if (path.startsWith("/api/models/owner/tiny/revision/main")) {
      const outside = { rfilename: "../evil.json", size: 1, blobId: COMMIT }
      response.end(JSON.stringify({ id: "owner/tiny", sha: COMMIT, siblings: [...siblings, outside] }))
      return
    }
    const name = path.startsWith(`/owner/tiny/resolve/${COMMIT}/`) ? (path.split("/").at(-1) ?? "") : ""
    if (!names.includes(name)) {
      response.writeHead(404).end()
      return
    }
    const body = change(name, readFileSync(join(TINY, name)))
    const from = Number(/^bytes=(\d+)-$/u.exec(headers.range ?? "")?.[1] ?? 0)
    response.writeHead(from > 0 ? 206 : 200).end(body.subarray(from))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return { url: `http://127.0.0.1:${address.port}`, asked, names }
}

t.test("download fetches a model whole, goes on where it stopped, and asks for nothing that is there", async (t) => {
  const folder = t.testdir()
  const hub = await startHub(t)
  const weights = readdirSync(TINY).find((name) => name.endsWith(".safetensors")) ?? ""
  const begun = readFileSync(join(TINY, weights)).subarray(0, 1000)
  mkdirSync(join(folder, ".download", "tiny"), { recursive: true })
  writeFileSync(join(folder, ".download", "tiny", `${weights}.part`), begun)

  const args = ["download", "owner/tiny", "--no-sync", "--models-dir", folder]
  const env = { HF_ENDPOINT: hub.url, HF_TOKEN: "secret" }
  const first = await runProgram(args, { env })
  t.equal(first.code, 0, first.stderr)
  t.match(first.stdout, /^owner\/tiny: \d+ of \d+ files fetched, [\d.]+ MB, 0\.0 MB were there \(.*tiny\)\n$/)
  for (const name of hub.names) t.same(readFileSync(join(folder, "tiny", name)), readFileSync(join(TINY, name)), name)
  t.notOk(existsSync(join(folder, ".download", "tiny")), "nothing is left under way")
  t.notOk(existsSync(join(folder, "evil.json")), "a name that leads elsewhere is left out")
  t.equal(hub.asked.find(({ path }) => path.endsWith(weights))?.range, "bytes=1000-")
  t.ok(hub.asked.every(({ authorization }) => authorization === "Bearer secret"))

  const before = hub.asked.length
  const second = await runProgram([...args, "--json"], { env })
  t.match(JSON.parse(second.stdout), { commit: COMMIT, fetchedFiles: 0 })
  t.equal(hub.asked.length, before + 1, "only the list")

  const listed = await runProgram(["models", "--models-dir", folder, "--json"])
  t.match(JSON.parse(listed.stdout), { models: [{ name: "tiny", family: "qwen3", error: "" }] })
  t.match((await runProgram(["models", "--models-dir", folder])).stdout, /tiny +0\.\d+ GB/)
})

t.test("a model that is not there, or has no such file, is said in one line", async (t) => {
  const hub = await startHub(t)
  const folder = t.testdir()
  const run = async (...args: string[]) =>
    await runProgram(["download", ...args, "--no-sync", "--models-dir", folder, "--hub", hub.url])
  const missing = await run("owner/other")
  t.equal(missing.code, 1)
  t.match(missing.stderr, /^mlx-cluster: http:\S+ answers 404 for owner\/other: there is no such model.*\n$/)
  t.match((await run("owner/tiny", "--file", "x.gguf")).stderr, "owner/tiny has no file x.gguf")
  t.equal((await run("not-an-id")).code, 2)
  t.equal((await run("../../etc/passwd")).code, 2)
  t.match((await runProgram(["models", "--models-dir", folder])).stdout, "no model in")
})

t.test("what arrives otherwise than the hub describes it is no model", async (t) => {
  const hub = await startHub(t, (name, body) => (name === "config.json" ? Buffer.concat([body, body]) : body))
  const folder = t.testdir()
  const { code, stderr } = await runProgram([
    "download",
    "owner/tiny",
    "--no-sync",
    "--models-dir",
    folder,
    "--hub",
    hub.url,
  ])
  t.equal(code, 1)
  t.match(stderr, "config.json is longer than the hub says")
  t.notOk(existsSync(join(folder, "tiny", "config.json")))
})
