// Makes docs/images/dashboard.png: a real server with a real model under load, seen by a real browser.
// usage: node scripts/screenshot.js [file.png] [--model name] [--theme light|dark] [--width px] [--full]
// CHROMIUM names the browser. Knows nothing of what the page shows.

import { spawn } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { chromium } from "playwright-core"

const ROOT = fileURLToPath(new URL("..", import.meta.url))
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
const READY_MS = 120_000
const STREAMS = 3
/** As long as the chart's axis. */
const LOAD_MS = 62_000
const HEIGHT = 1138
const TOPICS = ["the tides", "a lighthouse", "copper wire", "the first snow", "bread", "a long train", "maps", "glass"]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string" },
    theme: { type: "string", default: "light" },
    width: { type: "string", default: "1440" },
    full: { type: "boolean", default: false },
  },
})
const file = positionals[0] ?? join(ROOT, "docs", "images", "dashboard.png")

async function startServer() {
  const model = values.model === undefined ? [] : ["--model", values.model]
  const child = spawn(process.execPath, [join(ROOT, "bin", "mlx-cluster.js"), "serve", "--port", "0", ...model], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const address = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server was not ready in ${READY_MS} ms`)), READY_MS)
    let said = ""
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text
      const found = /at (http:\S+) /.exec(said)?.[1]
      if (found === undefined) return
      clearTimeout(timer)
      resolve(found)
    })
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)))
  })
  return { child, address }
}

/** One conversation after the other until the signal; the common beginning lets the prefix cache show its worth. */
async function keepAsking(address, first, signal) {
  for (let turn = first; !signal.aborted; turn += STREAMS) {
    const content = `Tell me a short story about ${TOPICS[turn % TOPICS.length]}, number ${turn}.`
    const response = await fetch(`${address}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        messages: [
          { role: "system", content: "You are a helpful assistant who writes plainly and never repeats a word twice." },
          { role: "user", content },
        ],
        max_tokens: 60 + ((turn * 37) % 120),
        stream: true,
      }),
      signal,
    }).catch(() => null)
    await response?.text().catch(() => "")
  }
}

const server = await startServer()
const ended = new Promise((resolve) => server.child.once("exit", resolve))
const stop = new AbortController()
let browser = null
try {
  const executablePath = process.env.CHROMIUM ?? PLACES.find(existsSync)
  browser = await chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: ["--no-sandbox"],
  })
  const page = await browser.newPage({
    viewport: { width: Number(values.width), height: HEIGHT },
    colorScheme: values.theme === "dark" ? "dark" : "light",
  })
  await page.goto(server.address)
  const load = Array.from({ length: STREAMS }, (_, first) => keepAsking(server.address, first, stop.signal))
  await page.waitForTimeout(LOAD_MS)
  mkdirSync(dirname(file), { recursive: true })
  await page.screenshot({ path: file, fullPage: values.full })
  stop.abort()
  await Promise.all(load)
} finally {
  stop.abort()
  await browser?.close()
  server.child.kill("SIGTERM")
  await ended
}
