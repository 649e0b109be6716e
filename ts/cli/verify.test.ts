import t from "tap"
import { runProgram } from "./testing/run-program.ts"

const DEADLINE_MS = 110_000

t.test("verify finds two ranks equal to one, token for token", async (t) => {
  const env = { MLX_CLUSTER_STATE: t.testdir() }
  const words = ["verify", "--model", "tiny", "--local-ranks", "2", "--tokens", "16", "--threads", "1", "--json"]
  const { code, stdout, stderr } = await runProgram(words, { env, deadlineMs: DEADLINE_MS })
  t.equal(code, 0, stderr)
  const report: { ranks: number; equal: boolean; comparisons: { prompt: string; tokens: number }[] } =
    JSON.parse(stdout)
  t.match(report, { ranks: 2, equal: true })
  t.equal(report.comparisons.length, 8, "each prompt alone, and all together")
  t.ok(report.comparisons.every(({ tokens }) => tokens > 0))
})

t.test("a cluster of one rank proves nothing, and a wrong model is the command line's fault", async (t) => {
  const env = { MLX_CLUSTER_STATE: t.testdir() }
  const one = await runProgram(["verify", "--model", "tiny", "--tokens", "1"], { env, deadlineMs: DEADLINE_MS })
  t.match(one, { code: 1, stderr: /the cluster is one rank: give a hostfile with other hosts, or --local-ranks/ })
  const wrong = await runProgram(["verify", "--model", "no-such"], { env, deadlineMs: DEADLINE_MS })
  t.match(wrong, { code: 2, stderr: /no model "no-such"/ })
})
