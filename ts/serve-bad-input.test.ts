// What must not harm a real server: broken requests, sockets that close, and model files that lie.

import { copyFile, mkdir, open, readFile, truncate, writeFile } from "node:fs/promises"
import { request } from "node:http"
import { connect } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import t from "tap"
import { startServer } from "./testing/server-process.ts"

const tiny = fileURLToPath(new URL("../../fixtures/tiny-qwen3/", import.meta.url))
const MEBIBYTE = 1024 * 1024
const question = { messages: [{ role: "user", content: "What is 17 + 25?" }], reasoning_effort: "none", temperature: 0 }

t.test("bad requests are refused by name, and the server goes on answering", async (t) => {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const [rank] = server.ranks()
  const post = async (body: string) =>
    await fetch(`${address}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      signal: AbortSignal.timeout(30_000),
    })
  const cases: [string | object, number, object][] = [
    ["", 400, { code: "invalid_json" }],
    ['{"messages":[', 400, { code: "invalid_json" }],
    ["null", 400, { code: "invalid_type" }],
    ["[".repeat(100_000), 400, {}],
    [{ messages: "hi" }, 400, { param: "messages" }],
    [{ messages: [] }, 400, { param: "messages" }],
    [{ ...question, temperature: "hot" }, 400, { param: "temperature" }],
    [{ ...question, temperature: -0.1 }, 400, { param: "temperature" }],
    [{ ...question, top_p: 1.5 }, 400, { param: "top_p" }],
    [{ ...question, n: 1e9 }, 400, { param: "n" }],
    [{ ...question, max_tokens: -1 }, 400, { param: "max_tokens" }],
    [{ ...question, seed: 0.5 }, 400, { param: "seed" }],
    [{ ...question, stop: [1] }, 400, {}],
    [{ ...question, stream: "yes" }, 400, { param: "stream" }],
    [{ ...question, model: "no-such-model" }, 404, { code: "model_not_found" }],
    [{ ...question, model: "../../etc/passwd" }, 404, { code: "model_not_found" }],
  ]
  for (const [body, status, error] of cases) {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    const response = await post(text)
    t.equal(response.status, status, text.slice(0, 80))
    t.match(await response.json(), { error: { type: "invalid_request_error", ...error } })
  }

  t.equal(await huge(address), 413, "a body of 100 MB")
  await closedSockets(Number(new URL(address).port))

  const answer = await post(JSON.stringify(question))
  t.equal(answer.status, 200)
  t.match(await answer.text(), "17 + 25 = 42")
  t.same(server.ranks(), [rank], "the rank is still the first")
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
})

/** Sends 100 MB without saying how many; the status, even when the server closes while it is sent. */
async function huge(address: string): Promise<number | undefined> {
  const block = Buffer.alloc(MEBIBYTE, "x")
  return await new Promise((resolve, reject) => {
    const sent = request(`${address}/v1/chat/completions`, { method: "POST" }, (response) => {
      response.resume()
      sent.destroy()
      resolve(response.statusCode)
    })
    sent.on("error", reject)
    let left = 100
    const write = () => {
      left -= 1
      if (left < 0) sent.end()
      else if (sent.write(block)) write()
      else sent.once("drain", write)
    }
    write()
  })
}

/** Clients that leave: at once, in the headers, in the body, and while a stream runs. */
async function closedSockets(port: number): Promise<void> {
  const body = JSON.stringify({
    ...question,
    messages: [{ role: "user", content: "Count from 1 to 200." }],
    stream: true,
  })
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`
  const parts = ["", "POST /v1/chat", head, head + body.slice(0, 20), head + body]
  await Promise.all(
    parts.flatMap((part) =>
      Array.from({ length: 8 }, async () => {
        const socket = connect(port, "127.0.0.1")
        socket.on("error", () => undefined)
        await new Promise((resolve) => socket.once("connect", resolve))
        if (part !== "") await new Promise((resolve) => socket.write(part, resolve))
        if (part === head + body) await new Promise((resolve) => socket.once("data", resolve))
        socket.resetAndDestroy()
      }),
    ),
  )
}

/** A copy of the tiny model whose weights `spoil` changes. */
async function spoiledModel(folder: string, spoil: (weights: string) => Promise<void>): Promise<string> {
  await mkdir(folder, { recursive: true })
  for (const name of [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors",
  ])
    await copyFile(join(tiny, name), join(folder, name))
  await spoil(join(folder, "model.safetensors"))
  return folder
}

async function writeAt(path: string, bytes: Uint8Array, position: number): Promise<void> {
  const file = await open(path, "r+")
  await file.write(bytes, 0, bytes.length, position)
  await file.close()
}

function gguf(tensors: bigint, keys: bigint, rest: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(24)
  head.write("GGUF", 0, "latin1")
  head.writeUInt32LE(3, 4)
  head.writeBigUInt64LE(tensors, 8)
  head.writeBigUInt64LE(keys, 16)
  return Buffer.concat([head, rest])
}

t.test("model files that lie are one clear line and exit code 2", async (t) => {
  const folder = t.testdir()
  const lengthOf = (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(value)
    return bytes
  }
  const models: [string, string][] = [
    ["truncated", await spoiledModel(join(folder, "truncated"), async (path) => await truncate(path, 5_000_000))],
    ["header only", await spoiledModel(join(folder, "short"), async (path) => await truncate(path, 4))],
    ["empty", await spoiledModel(join(folder, "empty"), async (path) => await truncate(path, 0))],
    [
      "a header longer than the file",
      await spoiledModel(join(folder, "long"), async (path) => await writeAt(path, lengthOf(1n << 62n), 0)),
    ],
    [
      "a header that is no JSON",
      await spoiledModel(join(folder, "text"), async (path) => await writeAt(path, Buffer.from("nonsense"), 8)),
    ],
    [
      "an offset outside the file",
      await spoiledModel(join(folder, "offset"), async (path) => {
        const whole = await readFile(path)
        const header = whole.subarray(8, 8 + Number(whole.readBigUInt64LE(0))).toString("utf8")
        const lying = header.replace(/"data_offsets":\s*\[(\d+),\s*(\d+)\]/, (range) => range.replaceAll(/\d/g, "9"))
        await writeAt(path, Buffer.from(lying), 8)
      }),
    ],
  ]
  const files: [string, Buffer][] = [
    ["no-magic.gguf", Buffer.from("this is no model at all, it is text")],
    ["empty.gguf", Buffer.alloc(0)],
    ["cut.gguf", gguf(10n, 10n)],
    ["many-keys.gguf", gguf(1n, 1n << 62n)],
    ["many-tensors.gguf", gguf(1n << 62n, 0n)],
    ["long-key.gguf", gguf(1n, 1n, lengthOf(1n << 60n))],
  ]
  for (const [name, bytes] of files) {
    await writeFile(join(folder, name), bytes)
    models.push([name, join(folder, name)])
  }
  for (const [name, model] of models) {
    const { code, stderr } = await startServer({ model, stateFolder: folder, http: { port: 0 } }).ended
    t.equal(code, 2, name)
    t.match(stderr, /^mlx-cluster: [^\n]+\n$/, stderr)
  }
})
