// A guard of a rank for tests: `guard` runs it, `rank` is the rank, which reads its start line and goes on until killed.

import { fileURLToPath } from "node:url"
import { runRankGuard } from "../rank-guard.ts"
import { readRankSpec } from "../rank-spec.ts"

const [, , verb] = process.argv
if (verb === "rank") {
  const spec = await readRankSpec(process.stdin, () => process.exit(3))
  process.on("SIGTERM", () => {
    if (spec.options !== "stubborn") process.exit(7)
  })
  if (spec.options === "leaves") process.exit(5)
  process.stdout.write(`rank ${spec.rank} ${process.pid} ${process.env["GREETING"] ?? ""}\n`)
} else {
  const command = [process.execPath, fileURLToPath(import.meta.url), "rank"] as const
  process.exitCode = await runRankGuard([...command], process.stdin).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    return 1
  })
}
