// The long tests of a real server: twenty rounds of kill -9 and minutes of soak. Writes its result, with the commit,
// to docs/test-full.md. Last line: `N passed, N failed`.

import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"

const FILES = ["serve-rank-loss", "serve-soak", "dashboard/growth"].map((name) => `dist/ts/${name}.test.js`)
const TIMEOUT_S = 900

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
const told = lines.filter((line) => /^(not )?ok \d+ - (the (front|rank|page) grew|\d+ answers|after \d+ ms)/.test(line))
const grew = told.filter((line) => !/after/.test(line)).map((line) => line.replace(/^((not )?ok) \d+ - /, "- $1: "))
const waits = told.flatMap((line) => /after (\d+) ms/.exec(line)?.[1] ?? []).map(Number)
writeFileSync(
  "docs/test-full.md",
  `# Result of \`make test-full\`

Commit ${commit}${changed ? " with changes" : ""}, ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, ${process.platform} ${process.arch}, Node ${process.version}.

**${passed} passed, ${failed} failed.** Twenty times \`kill -9\` of the rank under a stream, without and with replay; then
eight clients with mixed requests and cancels; then an hour of snapshots on an open dashboard.

- longest wait from the kill to the error event: ${waits.length > 0 ? `${Math.max(...waits)} ms in ${waits.length} rounds` : "none was seen"}
${grew.join("\n")}
`,
)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
