// `mlx-cluster dashboard`: opens the page of a running server in the browser of this desk.

import { spawn } from "node:child_process"
import { type Command, EXIT } from "./command.ts"
import { isSet } from "./parse.ts"
import { ask, refusal, SERVER_FLAGS, serverAddress } from "./server-client.ts"

export const dashboard: Command = {
  name: "dashboard",
  summary: "open the dashboard of a running server in the browser",
  usage: "[options]",
  flags: {
    print: { type: "boolean", help: "only say its address" },
    ...SERVER_FLAGS,
  },
  positionals: false,
  examples: [["mlx-cluster dashboard", "of the server on this machine"]],
  notes: ["Exit codes: 0 a server answers there, 1 none does, 2 wrong command line."],
  async run({ flags }) {
    const address = serverAddress(flags)
    const { status, body } = await ask(address, "/health")
    if (status !== 200) throw refusal(status, body)
    console.log(`${address.url.origin}/`)
    if (isSet(flags, "print")) return EXIT.ok
    const program = process.platform === "darwin" ? "open" : "xdg-open"
    const child = spawn(program, [`${address.url.origin}/`], { stdio: "ignore", detached: true })
    // A machine without a desk has no such program: the address is said already.
    child.on("error", () => undefined)
    child.unref()
    return EXIT.ok
  },
}
