// `mlx-cluster status`: one screen about a running server.

import { type Command, EXIT } from "./command.ts"
import { isSet } from "./parse.ts"
import { SERVER_FLAGS, ask, field, refusal, serverAddress } from "./server-client.ts"
import { statusScreen } from "./status-screen.ts"
import { paintFor } from "./terminal.ts"

/** By the key in the report. /health and /ready are open; the others may ask for a key. */
const SOURCES = {
  health: "/health",
  ready: "/ready",
  models: "/v1/models",
  cluster: "/cluster",
  memory: "/memory",
  queue: "/queue",
} as const

export type StatusReport = Readonly<Record<keyof typeof SOURCES, unknown>>

export const status: Command = {
  name: "status",
  summary: "show model, ranks, memory, links and queue of a running server",
  usage: "[options]",
  flags: {
    json: { type: "boolean", help: "the same as JSON, one line" },
    ...SERVER_FLAGS,
  },
  positionals: false,
  examples: [
    ["mlx-cluster status", "the server on this machine"],
    ["mlx-cluster status --url http://mac.home:8080 --json", "another one, for a script"],
  ],
  notes: ["Exit codes: 0 ready, 1 not ready or no server, 2 wrong command line."],
  async run({ flags }) {
    const address = serverAddress(flags)
    const answers = await Promise.all(
      Object.entries(SOURCES).map(async ([name, path]) => ({ name, ...(await ask(address, path)) })),
    )
    const denied = answers.find((answer) => answer.status === 401 || answer.status === 403)
    if (denied !== undefined) throw refusal(denied.status, denied.body)
    const report = Object.fromEntries(
      // A server that is not ready says so with 503 and a body worth reading; other refusals leave a gap.
      answers.map(({ name, status: code, body }) => [name, code === 200 || name === "ready" ? body : null]),
    )
    if (isSet(flags, "json")) console.log(JSON.stringify(report))
    else console.log(statusScreen(address.url.origin, report, paintFor(process.stdout)))
    return field(report["ready"], "ready") === true ? EXIT.ok : EXIT.failed
  },
}
