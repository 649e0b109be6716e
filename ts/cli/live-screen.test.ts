// The watching commands in a real terminal: tmux, its size, its keys. TMUX_PROGRAM names it; without tmux the test is
// skipped, unless MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import t from "tap"
import { packageRoot } from "./package-info.ts"
import { runProgram, startTestServer } from "./testing/run-program.ts"
import { ORDERS, topScreen } from "./top-screen.ts"

const tmux = process.env["TMUX_PROGRAM"] ?? "tmux"
const skip =
  spawnSync(tmux, ["-V"]).status !== 0 && process.env["MLX_CLUSTER_REQUIRE_ALL"] === undefined
    ? "no tmux: install it or name it in TMUX_PROGRAM"
    : false

const DEADLINE_MS = 30_000
const LOOK_MS = 50

const REQUESTS = Array.from({ length: 30 }, (_, index) => ({
  id: `chatcmpl-${index}`,
  time: 1_700_000_000_000 + index,
  kind: "chat",
  prompt_tokens: 40 + index,
  cached_tokens: 16,
  completion_tokens: 3 * index,
  ttft_ms: 84,
  latency_ms: 2060 - index,
  generation_tps: 62.1,
  status: index < 3 ? "running" : index === 4 ? "error" : "ok",
  prompt: index === 1 ? "Why is \u001b[2J the sky" : null,
}))
const SNAPSHOT = { uptime_s: 3, state: "ready", model: { id: "tiny" }, history: [1, 2, 3], requests: REQUESTS }
const QUEUE = { size: 1, max: 256, running: 3 }

async function startServer(t: Tap) {
  const server = await startTestServer((request, _body, response) => {
    const path = request.url ?? ""
    if (path === "/events") {
      const tell = () => response.write(`data: ${JSON.stringify(SNAPSHOT)}\n\n`)
      response.writeHead(200, { "content-type": "text/event-stream" })
      tell()
      const timer = setInterval(tell, 200)
      response.on("close", () => clearInterval(timer))
    } else response.end(JSON.stringify(path === "/queue" ? QUEUE : { requests: REQUESTS }))
  })
  t.teardown(() => server.close())
  return server
}
type Tap = { teardown(close: () => unknown): void }

/** A terminal of 100 columns that runs a command and stays when it has ended. */
function openTerminal(t: Tap, rows: number, args: readonly string[]) {
  const name = `mlx-${randomUUID()}`
  const run = (...words: readonly string[]) =>
    spawnSync(tmux, ["-L", name, "-f", "/dev/null", ...words], { encoding: "utf8" })
  const program = [process.execPath, join(packageRoot(), "bin", "mlx-cluster.js"), ...args]
  const quoted = program.map((word) => `'${word}'`).join(" ")
  t.teardown(() => run("kill-server"))
  const { status, stderr } = run(
    "new-session",
    "-d",
    "-x",
    "100",
    "-y",
    String(rows),
    `echo begin; ${quoted}; echo code $?; sleep 60`,
  )
  if (status !== 0) throw new Error(stderr)
  const screen = () => run("capture-pane", "-p").stdout
  return {
    screen,
    keys: (typed: string) => run("send-keys", typed),
    resize: (columns: number, lines: number) => run("resize-window", "-x", String(columns), "-y", String(lines)),
    async until(holds: (screen: string) => boolean): Promise<string> {
      const deadline = performance.now() + DEADLINE_MS
      for (;;) {
        const shown = screen()
        if (holds(shown)) return shown
        if (performance.now() > deadline) throw new Error(`not so within ${DEADLINE_MS} ms:\n${shown}`)
        await pause(LOOK_MS)
      }
    },
  }
}

const rowsOf = (screen: string) =>
  screen.split("\n").filter((line) => /^ *(running|ok|error|.*chat ) /.test(line)).length

t.test("monitor fills the terminal, follows its size, and gives the screen back at q", { skip }, async (t) => {
  const server = await startServer(t)
  const terminal = openTerminal(t, 24, ["monitor", "--interval", "0.2", "--url", server.url])
  const small = await terminal.until((screen) => screen.includes("Throughput") && screen.includes("chat"))
  t.equal(small.trimEnd().split("\n").length <= 24, true)
  terminal.resize(140, 50)
  const large = await terminal.until((screen) => screen.split("chat").length > small.split("chat").length + 10)
  t.equal(
    large.split("\n").filter((line) => line.includes("Throughput")).length,
    1,
    "nothing of the old screen is left",
  )
  terminal.resize(30, 8)
  const tiny = await terminal.until((screen) => !screen.includes("Requests"))
  t.ok(tiny.split("\n").every((line) => line.length <= 30))
  terminal.resize(100, 24)
  terminal.keys("q")
  t.match(
    await terminal.until((screen) => screen.includes("code ")),
    /^begin\ncode 0/,
    "the shell's own screen is back",
  )
})

t.test("top shows what runs first, orders it anew at a key, and ends at Ctrl-C", { skip }, async (t) => {
  const server = await startServer(t)
  const terminal = openTerminal(t, 24, ["top", "--interval", "0.2", "--url", server.url])
  const first = await terminal.until((screen) => screen.includes("by age"))
  t.match(first, "3 running, 1 waiting, 256 places")
  const ids = (screen: string) => [...screen.matchAll(/chatcmpl-(\d+)/g)].map(([, id]) => Number(id))
  t.same(ids(first).slice(0, 5), [0, 1, 2, 3, 4])
  t.equal(rowsOf(first), 20)
  terminal.keys("o")
  t.same(ids(await terminal.until((screen) => screen.includes("by tokens"))).slice(0, 4), [2, 1, 0, 3])
  terminal.keys("C-c")
  t.match(await terminal.until((screen) => screen.includes("code ")), /^begin\ncode 130/)
})

t.test("top in a pipe is one screen or a line of JSON, without control characters", async (t) => {
  const server = await startServer(t)
  const { code, stdout } = await runProgram(["top", "--once", "--url", server.url])
  t.equal(code, 0)
  t.match(stdout, /running +chat +2\.06 s +84 ms +40 +16 +0 +62\.1 {2}chatcmpl-0/)
  t.match(stdout, "Why is [2J the sky")
  t.notOk(stdout.includes("\u001b"))
  const json = await runProgram(["top", "--once", "--json", "--url", server.url])
  t.match(JSON.parse(json.stdout), { queue: QUEUE, requests: [{ id: "chatcmpl-0" }] })
})

t.test("top's screen survives an answer without fields, whatever its order", async (t) => {
  for (const order of ORDERS)
    t.match(topScreen("http://x", {}, order, { columns: 80, rows: 24 }, (_, text) => text).join("\n"), "no request yet")
})
