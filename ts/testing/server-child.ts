// A server process for tests: `serve` with ServeOptions as JSON, and the ranks it starts. The command line is ts/cli's.

import { fileURLToPath } from "node:url"
import { serve, type ServeOptions } from "../main.ts"
import { runRank } from "../rank.ts"

const [, , verb, json] = process.argv
if (verb === "rank") await runRank()
else {
  const options: ServeOptions = JSON.parse(json ?? "{}")
  process.exit(await serve({ ...options, program: fileURLToPath(import.meta.url) }))
}
