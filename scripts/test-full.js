// The long tests of a real server: twenty rounds of kill -9, minutes of soak, a thousand streams, hostile requests to
// every route. Writes its result, with the commit, to docs/test-full.md. Last line: `N passed, N failed`.

import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"

const FILES = [
  "serve-structured",
  "serve-rank-loss",
  "serve-jaccl-faults",
  "serve-rank-faults",
  "serve-link-faults",
  "serve-start-faults",
  "serve-four-faults",
  "serve-network",
  "serve-soak",
  "serve-streams",
  "serve-hostile",
  "engine/text/text-pool",
  "dashboard/growth",
].map((name) => `dist/ts/${name}.test.js`)
/** Of one file; the soak alone takes MLX_CLUSTER_SOAK_MINUTES. */
const TIMEOUT_S = 3600 + 60 * Number(process.env.MLX_CLUSTER_SOAK_MINUTES ?? 5)
/** What these lines measure stands in the page. */
const TOLD = [
  /(the front|the rank|its heap) grew/,
  /the front's peak/,
  /\d+ answers/,
  /were seen in the engine/,
  /\/health took/,
  /\d+ cases/,
  /MB are left/,
  /own time of a step/,
  /of the plans are there/,
]

function output(command, ...args) {
  return spawnSync(command, args, { encoding: "utf8" }).stdout.trim()
}

// What is measured is what is committed, or the page says so.
const commit = output("git", "rev-parse", "--short", "HEAD")
const changed = output("git", "status", "--porcelain") !== ""
const tap = ["node_modules/tap/dist/esm/run.mjs", "--reporter=tap", `--timeout=${TIMEOUT_S}`, "--jobs=1", ...FILES]
const { stdout } = spawnSync(process.execPath, tap, {
  encoding: "utf8",
  env: { ...process.env, MLX_CLUSTER_ROUNDS: "full" },
  stdio: ["ignore", "pipe", "inherit"],
  maxBuffer: 256 * 1024 * 1024,
})
console.log(stdout)
const lines = stdout.split("\n").map((line) => line.trim())
const passed = lines.filter((line) => /^ok \d+ - /.test(line) && !/# (time|SKIP)/.test(line)).length
const failed = lines.filter((line) => /^not ok \d+ - /.test(line)).length
const waits = lines.flatMap((line) => /^(?:not )?ok \d+ - after (\d+) ms/.exec(line)?.[1] ?? []).map(Number)
const told = lines
  .filter((line) => /^(not )?ok \d+ - /.test(line) && TOLD.some((pattern) => pattern.test(line)))
  .map((line) => line.replace(/^((?:not )?ok) \d+ - /, "- $1: "))
writeFileSync(
  "docs/test-full.md",
  `# Result of \`make test-full\`

Commit ${commit}${changed ? " with changes" : ""}, ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, ${process.platform} ${process.arch}, Node ${process.version}.

**${passed} passed, ${failed} failed.** Twenty times \`kill -9\` of the rank under a stream, without and with replay; all
faults of docs/faults.md, five rounds over each transport; eight clients with mixed requests and cancels, over a KV memory
of one context; a thousand streams at once; hostile requests to every route beside 200 half-open sockets; long prompts in
the text pool; an hour of snapshots on an open dashboard.

- longest wait from the kill to the error event: ${waits.length > 0 ? `${Math.max(...waits)} ms in ${waits.length} rounds` : "none was seen"}
${told.join("\n")}
`,
)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
