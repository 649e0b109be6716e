// `mlx-cluster monitor`: one screen of a running server that stays current and comes back when the server does.

import { type Command, CommandError } from "./command.ts"
import { WATCH_FLAGS, watchServer } from "./live-screen.ts"
import { monitorScreen } from "./monitor-screen.ts"
import { SERVER_FLAGS, type ServerAddress, field, refusal, send, serverAddress } from "./server-client.ts"
import { serverSentData } from "./server-sent-data.ts"

/** The server sends a snapshot every second; silence for so long means that it is gone. */
const SILENCE_MS = 10_000

/** Every snapshot of the server's event stream; panels for browsers are passed over. Throws when the stream ends. */
async function* snapshots(address: ServerAddress, signal: AbortSignal): AsyncGenerator {
  const silence = new AbortController()
  const silent = () => silence.abort(new CommandError(`the server was silent for ${SILENCE_MS / 1000} s`))
  let timer = setTimeout(silent, SILENCE_MS)
  const touch = () => {
    clearTimeout(timer)
    timer = setTimeout(silent, SILENCE_MS)
  }
  try {
    const response = await send(address, "/events", { signal: AbortSignal.any([signal, silence.signal]) })
    if (!response.ok) throw refusal(response.status, await response.json().catch(() => null))
    for await (const data of serverSentData(response.body, touch)) {
      // Panels are HTML; the snapshot is an object.
      if (!data.startsWith("{")) continue
      const snapshot: unknown = JSON.parse(data)
      if (field(snapshot, "uptime_s") !== undefined) yield snapshot
    }
  } catch (error) {
    throw error instanceof CommandError ? error : new CommandError("the connection was lost", { cause: error })
  } finally {
    clearTimeout(timer)
  }
  throw new CommandError("the server ended the connection")
}

export const monitor: Command = {
  name: "monitor",
  summary: "watch a running server: throughput, latency, ranks, requests, errors",
  usage: "[options]",
  flags: { ...WATCH_FLAGS, ...SERVER_FLAGS },
  positionals: false,
  examples: [
    ["mlx-cluster monitor", "until q or Ctrl-C"],
    ["mlx-cluster monitor --json --interval 10 >> watch.jsonl", "a record to look at later"],
  ],
  notes: ["Exit codes: 0 ended by q or --once, 1 failed or no server, 2 wrong command line, 130 interrupted."],
  async run({ flags }) {
    const address = serverAddress(flags)
    return await watchServer(flags, {
      values: (signal) => snapshots(address, signal),
      screen: (snapshot, size, paint) => monitorScreen(address.url.origin, snapshot, size, paint),
    })
  },
}
