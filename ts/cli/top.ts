// `mlx-cluster top`: the requests of a running server, as top shows processes.

import { setTimeout as pause } from "node:timers/promises"
import type { Command } from "./command.ts"
import { WATCH_FLAGS, watchServer } from "./live-screen.ts"
import { ask, field, refusal, SERVER_FLAGS, type ServerAddress, serverAddress } from "./server-client.ts"
import { ORDERS, topScreen } from "./top-screen.ts"

/** More than a terminal has lines. */
const REQUESTS = 200
const EVERY_STATUS = "queued,running,ok,slow,error,cancelled"

async function read(address: ServerAddress, path: string): Promise<unknown> {
  const { status, body } = await ask(address, path)
  if (status !== 200) throw refusal(status, body)
  return body
}

async function* requests(address: ServerAddress, signal: AbortSignal, intervalMs: number): AsyncGenerator {
  while (!signal.aborted) {
    const [history, queue] = await Promise.all([
      read(address, `/requests?status=${EVERY_STATUS}&limit=${REQUESTS}`),
      read(address, "/queue"),
    ])
    yield { queue, requests: field(history, "requests") }
    await pause(intervalMs, undefined, { signal }).catch(() => undefined)
  }
}

export const top: Command = {
  name: "top",
  summary: "watch the requests of a running server: their age, tokens and speed",
  usage: "[options]",
  flags: { ...WATCH_FLAGS, ...SERVER_FLAGS },
  positionals: false,
  examples: [
    ["mlx-cluster top", "until q or Ctrl-C; o orders by age, tokens, speed or prompt"],
    ["mlx-cluster top --once --json", "what runs now, for a script"],
  ],
  notes: ["Exit codes: 0 ended by q or --once, 1 failed or no server, 2 wrong command line, 130 interrupted."],
  async run({ flags }) {
    const address = serverAddress(flags)
    let turn = 0
    const order = () => ORDERS[turn % ORDERS.length] ?? "age"
    return await watchServer(flags, {
      values: (signal, intervalMs) => requests(address, signal, intervalMs),
      screen: (answer, size, paint) => topScreen(address.url.origin, answer, order(), size, paint),
      key(typed) {
        if (typed === "o") turn++
      },
    })
  },
}
