// Runs every suite and ends with one line: `N passed, N failed`. A suite that dies without a count is a failure.

import { spawn } from "node:child_process"
import { rmSync } from "node:fs"

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */

/** Runs a command, shows its output and hands its text to `count`. */
function suite(name, command, args, count, env = {}) {
  return new Promise((resolve) => {
    console.log(`\n== ${name}`)
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } })
    let text = ""
    child.stdout.on("data", (data) => {
      process.stdout.write(data)
      text = (text + data).slice(-262_144)
    })
    child.on("error", (error) => {
      console.log(`${name}: ${error.message}`)
      resolve({ passed: 0, failed: 1, skipped: 0 })
    })
    child.on("close", (code) => {
      const result = count(text)
      if (result === null || (code !== 0 && result.failed === 0)) {
        console.log(`${name}: ended with code ${code} and no count`)
        resolve({ passed: result?.passed ?? 0, failed: (result?.failed ?? 0) + 1, skipped: result?.skipped ?? 0 })
      } else resolve(result)
    })
  })
}

/** tap's last summary line: `# { total: 4, pass: 2, todo: 1, skip: 1 }`. */
function countTap(text) {
  const last = [...text.matchAll(/^# \{ total: (\d+)(.*)\}/gm)].at(-1)
  if (!last) return null
  const field = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(last[2])?.[1] ?? 0)
  return { passed: field("pass"), failed: field("fail"), skipped: field("skip") }
}

/** cargo prints one `test result: ok. 12 passed; 0 failed; ...` a binary. */
function countCargo(text) {
  const lines = [...text.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm)]
  if (lines.length === 0) return null
  const sum = (index) => lines.reduce((total, line) => total + Number(line[index]), 0)
  return { passed: sum(1), failed: sum(2), skipped: sum(3) }
}

/** The kernels' runner ends with `N passed, N failed`. */
function countKernels(text) {
  const last = [...text.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1)
  return last ? { passed: Number(last[1]), failed: Number(last[2]), skipped: 0 } : null
}

const only = process.argv.slice(2)
const wants = (name) => only.length === 0 || only.includes(name)
const results = []

if (wants("kernels"))
  results.push(
    await suite(
      "kernels",
      "make",
      ["--no-print-directory", "-C", "crates/mlx-jaccl-rs/shim/test", "test"],
      countKernels,
    ),
  )
if (wants("rust")) results.push(await suite("rust", "cargo", ["test", "--quiet"], countCargo))
if (wants("typescript")) {
  const nothing = () => ({ passed: 0, failed: 0, skipped: 0 })
  results.push(await suite("JACCL over fake verbs", process.execPath, ["scripts/fake-verbs.js"], nothing))
  // A deleted source leaves its test behind in dist.
  rmSync("dist", { recursive: true, force: true })
  const built = await suite("compile", "node_modules/.bin/tsc", ["-b"], nothing)
  results.push(built)
  if (built.failed === 0)
    results.push(
      await suite("typescript", process.execPath, ["node_modules/tap/dist/esm/run.mjs", "--reporter=tap"], countTap),
    )
}

const sum = (field) => results.reduce((total, result) => total + result[field], 0)
console.log(`\n${sum("skipped")} skipped`)
console.log(`${sum("passed")} passed, ${sum("failed")} failed`)
process.exitCode = sum("failed") === 0 && sum("passed") > 0 ? 0 : 1
