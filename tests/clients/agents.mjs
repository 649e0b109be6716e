// Agents as programs, offline, each in a folder of its own: opencode answers and calls tools of an MCP server, Continue's
// cn answers. agents.mjs <server's address> <folder with node_modules>. Last line: `N passed, N failed`.

import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const [, , address, packages] = process.argv
const baseURL = `${address}/v1`
const folder = mkdtempSync(join(tmpdir(), "mlx-cluster-agents-"))
const AGENT_MS = 150_000
mkdirSync(join(folder, ".own"))
let passed = 0
let failed = 0

/** What the agent wrote; its own files stay in the folder. */
function run(program, args, env = {}) {
  const own = Object.fromEntries(
    ["data", "config", "cache", "state"].map((name) => [`XDG_${name.toUpperCase()}_HOME`, join(folder, ".own", name)]),
  )
  const { stdout, stderr, error } = spawnSync(join(packages, "node_modules", ".bin", program), args, {
    cwd: folder,
    // opencode takes its folder from PWD.
    env: { ...process.env, PWD: folder, HOME: join(folder, ".own"), ...own, ...env },
    encoding: "utf8",
    timeout: AGENT_MS,
  })
  return `${stdout ?? ""}${stderr ?? ""}${error ?? ""}`
}

function check(sentence, text, ...expected) {
  const missing = expected.filter((part) => !text.includes(part))
  if (missing.length === 0) passed++
  else failed++
  console.log(`${missing.length === 0 ? "ok" : "not ok"} - ${sentence}`)
  if (missing.length > 0) console.log(`missing: ${missing.join(" | ")}\n${text}`)
}

// The prompts of these agents are short, because the tiny model's context is.
const opencode = {
  provider: {
    cluster: {
      npm: "@ai-sdk/openai-compatible",
      name: "mlx-jaccl-cluster",
      options: { baseURL, apiKey: "none" },
      models: { "tiny-qwen3": { name: "tiny", tool_call: true, limit: { context: 4096, output: 512 } } },
    },
  },
  mcp: { get: { type: "local", command: ["node", fileURLToPath(new URL("./weather-mcp.mjs", import.meta.url))] } },
  agent: {
    plain: { prompt: "Answer.", mode: "primary", tools: { "*": false } },
    weather: { prompt: "Answer.", mode: "primary", tools: { "*": false, get_weather: true } },
  },
}
const cn = {
  name: "local",
  version: "1.0.0",
  schema: "v1",
  models: [
    {
      name: "tiny",
      provider: "openai",
      model: "tiny-qwen3",
      apiBase: baseURL,
      apiKey: "none",
      roles: ["chat"],
      defaultCompletionOptions: { contextLength: 4096, maxTokens: 512 },
    },
  ],
}

try {
  writeFileSync(join(folder, "opencode.json"), JSON.stringify(opencode))
  writeFileSync(join(folder, "config.yaml"), JSON.stringify(cn))
  const offline = { OPENCODE_DISABLE_AUTOUPDATE: "1", OPENCODE_DISABLE_MODELS_FETCH: "1" }
  const ask = (agent, prompt) =>
    run("opencode", ["run", "--agent", agent, "--model", "cluster/tiny-qwen3", prompt], offline)
  check("opencode gets an answer", ask("plain", "What is the capital of France?"), "The capital of France is Paris.")
  check(
    "opencode runs two tool calls of one answer and gets the answer to their results",
    ask("weather", "What is the weather in Oslo and Madrid?"),
    'get_weather {"city":"Oslo"}',
    'get_weather {"city":"Madrid"}',
    "The weather in Oslo is snowy with -3 degrees.",
    "The weather in Madrid is clear with 30 degrees.",
  )
  check(
    "Continue gets an answer",
    run("cn", ["-p", "What is the capital of France?", "--config", "config.yaml"], { CONTINUE_TELEMETRY_ENABLED: "0" }),
    "The capital of France is Paris.",
  )
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
