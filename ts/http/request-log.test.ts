import { mkdirSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import t from "tap"
import { createMetrics } from "./metrics.ts"
import { promptExcerpt } from "./prompt-excerpt.ts"
import { createRequestLog } from "./request-log.ts"
import { CHAT, startServer } from "./testing/start-server.ts"

const entry = (id: string) => {
  const metrics = createMetrics()
  metrics.begin(id, "chat").end({ failed: "cancelled" })
  const [view] = metrics.requestLog()
  if (view === undefined) throw new Error("the request is in the history")
  return view
}

t.test("every request is one line, old files are rotated and the oldest goes", async (t) => {
  const file = join(t.testdir(), "requests.jsonl")
  const line = JSON.stringify(entry("r0")).length
  const log = createRequestLog(file, (text) => t.fail(text), { maxBytes: line * 2.5, kept: 3 })
  for (let index = 0; index < 9; index++) log.write(entry(`r${index}`))
  await log.close()
  const ids = (name: string) =>
    readFileSync(join(file, "..", name), "utf8")
      .trimEnd()
      .split("\n")
      .map((each) => String(Object.getOwnPropertyDescriptor(JSON.parse(each), "id")?.value))
  t.same(readdirSync(join(file, "..")).toSorted(), ["requests.jsonl", "requests.jsonl.1", "requests.jsonl.2"])
  t.same([ids("requests.jsonl.2"), ids("requests.jsonl.1"), ids("requests.jsonl")].flat(), [
    "r4",
    "r5",
    "r6",
    "r7",
    "r8",
  ])
  t.equal(statSync(file).mode & 0o077, 0, "others may not read it")
})

t.test("a disk that fails costs entries and one line, and is used again when it works", async (t) => {
  const folder = join(t.testdir(), "logs")
  mkdirSync(folder)
  const lines: string[] = []
  const log = createRequestLog(join(folder, "requests.jsonl"), (line) => lines.push(line))
  rmSync(folder, { recursive: true })
  log.write(entry("a"))
  await log.close()
  log.write(entry("b"))
  await log.close()
  t.equal(lines.length, 1)
  t.match(lines, [/cannot be written: .*ENOENT.*entries are lost/])
  mkdirSync(folder)
  log.write(entry("c"))
  await log.close()
  t.match(lines[1], "2 entries were lost")
  t.match(readFileSync(join(folder, "requests.jsonl"), "utf8"), `"id":"c"`)
  t.throws(() => createRequestLog(join(folder, "none", "x"), () => {}), /choose another file/)
})

t.test("prompts are in the log and in /requests only where they are asked for, 80 characters of them", async (t) => {
  for (const logPrompts of [false, true]) {
    const file = join(t.testdir(), `${String(logPrompts)}.jsonl`)
    const { url, post, server } = await startServer(t, "node", { requestLog: file, logPrompts })
    await (await post("/v1/chat/completions", CHAT)).text()
    const shown = await (await fetch(`${url}/requests`)).text()
    await server.close()
    for (const text of [shown, readFileSync(file, "utf8")]) t.equal(text.includes("What is the capital?"), logPrompts)
  }
  t.equal(promptExcerpt({ kind: "text", text: `a\n\u001bb${"c".repeat(200)}` }), `a  b${"c".repeat(76)}`)
  t.equal(promptExcerpt({ kind: "tokens", ids: [1, 2] }), "2 tokens")
})
