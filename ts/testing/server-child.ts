// A server process for tests: `serve` with ServeOptions as JSON, and the ranks it starts. The command line is ts/cli's.

import { fileURLToPath } from "node:url"
import { serve, type ServeOptions } from "../main.ts"
import { obstructed } from "./obstacle.ts"
import { askRoute } from "./routes.ts"
import { runRank } from "../rank.ts"

const [, , verb, json] = process.argv
if (verb === "rank") await obstructed(runRank)
else {
  const options: ServeOptions = JSON.parse(json ?? "{}")
  const route = process.send === undefined ? undefined : askRoute
  process.exit(await serve({ ...options, route, program: fileURLToPath(import.meta.url) }))
}
