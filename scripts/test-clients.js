// Runs real clients against a real server with the tiny model: curl, openai for Python, LangChain, LlamaIndex,
// pydantic-ai, websockets, the AI SDK, a validator of OpenAPI documents, and the agents opencode and Continue, of pinned
// versions, installed into .cache/clients once. Last line: `N passed, N failed`.

import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const PACKAGES = {
  ai: "6.0.326",
  "@ai-sdk/openai-compatible": "2.0.92",
  zod: "4.6.7",
  "@seriousme/openapi-schema-validator": "2.11.0",
  "opencode-ai": "1.18.33",
  "@continuedev/cli": "1.5.47",
}
const REQUIREMENTS = "scripts/requirements/clients.txt"
const folder = join(process.cwd(), ".cache", "clients")
const python = join(folder, "python")
const npm = join(folder, "npm")
const READY_MS = 60_000
const CLIENT_MS = 180_000

/** Runs `work` once for each content of `madeFrom`. */
function once(name, madeFrom, work) {
  const stamp = join(folder, `${name}.stamp`)
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === madeFrom) return
  console.log(`installing ${name} clients`)
  rmSync(join(folder, name), { recursive: true, force: true })
  mkdirSync(join(folder, name), { recursive: true })
  work()
  writeFileSync(stamp, madeFrom)
}

function install(command, args, cwd) {
  const { status } = spawnSync(command, args, {
    cwd,
    stdio: "inherit",
    env: { ...process.env, PIP_ROOT_USER_ACTION: "ignore" },
  })
  if (status !== 0) throw new Error(`${command} ended with code ${status}: check the network and try again`)
}

function startServer() {
  const args = ["bin/mlx-cluster.js", "serve", "--model", "tiny", "--port", "0"]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  const address = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server was not ready in ${READY_MS} ms`)), READY_MS)
    let text = ""
    child.stdout.on("data", (data) => {
      text += data
      const found = /at (http:\S+) /.exec(text)?.[1]
      if (found) resolve(found)
    })
    child.once("close", (code) => reject(new Error(`the server ended with code ${code}`)))
    child.once("close", () => clearTimeout(timer))
  })
  return { child, address }
}

function runClient(name, command, args) {
  console.log(`\n== ${name}`)
  const options = { encoding: "utf8", timeout: CLIENT_MS, env: { ...process.env, PYTHONPATH: python } }
  const { stdout, stderr } = spawnSync(command, args, options)
  const count = /^(\d+) passed, (\d+) failed$/m.exec(stdout ?? "")
  console.log(stdout)
  if (count === null || count[2] !== "0") console.log(stderr)
  return count ? { passed: Number(count[1]), failed: Number(count[2]) } : { passed: 0, failed: 1 }
}

const results = []
try {
  mkdirSync(folder, { recursive: true })
  once("python", readFileSync(REQUIREMENTS, "utf8"), () =>
    install("python3", [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "--target",
      python,
      "-r",
      REQUIREMENTS,
    ]),
  )
  once("npm", JSON.stringify(PACKAGES), () => {
    writeFileSync(join(npm, "package.json"), JSON.stringify({ private: true, dependencies: PACKAGES }))
    install("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], npm)
  })
  const server = startServer()
  try {
    const address = await server.address
    results.push(runClient("curl", "tests/clients/curl.sh", [address]))
    for (const name of [
      "openai_python",
      "langchain_openai_chat",
      "llama_index_openai_like",
      "pydantic_ai_agent",
      "websocket_stream",
    ])
      results.push(runClient(name, "python3", [`tests/clients/${name}.py`, address]))
    results.push(runClient("ai-sdk", process.execPath, ["tests/clients/ai-sdk.mjs", address, npm]))
    results.push(runClient("openapi", process.execPath, ["tests/clients/openapi.mjs", address, npm]))
    results.push(runClient("agents", process.execPath, ["tests/clients/agents.mjs", address, npm]))
  } finally {
    server.child.kill("SIGTERM")
  }
} catch (error) {
  console.log(error.message)
  results.push({ passed: 0, failed: 1 })
}
const sum = (field) => results.reduce((total, result) => total + result[field], 0)
console.log(`${sum("passed")} passed, ${sum("failed")} failed`)
process.exitCode = sum("failed") === 0 ? 0 : 1
