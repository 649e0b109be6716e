import { readFile } from "node:fs/promises"
import t from "tap"
import { ControlError } from "./errors.ts"
import { encodeMessage, MESSAGES, parseMessage, type Message } from "./message.ts"

const memory = {
  total_bytes: 1,
  available_bytes: 1,
  rss_bytes: 1,
  active_bytes: 1,
  cache_bytes: 1,
  peak_bytes: 1,
  model_bytes: 1,
  kv_bytes: 1,
}

function problem(value: unknown, from: "rank" | "coordinator" = "rank"): string {
  try {
    parseMessage(typeof value === "string" ? value : JSON.stringify(value), from)
  } catch (error) {
    return error instanceof ControlError && error.code === "message_invalid" ? error.message : `wrong: ${String(error)}`
  }
  return "accepted"
}

t.test("a message comes back as it was sent", async (t) => {
  const heartbeat: Message = { type: "heartbeat", rank: 1, memory, timestamp: 12.5 }
  t.strictSame(parseMessage(encodeMessage(heartbeat), "rank"), heartbeat)
})

t.test("every wrong message is refused with its field", async (t) => {
  t.equal(problem("{"), "a message that is not JSON")
  t.equal(problem({}), "a message without a type")
  t.equal(problem({ type: "gossip" }), 'an unknown message "gossip"')
  t.match(problem({ type: "heartbeat", rank: -1, memory, timestamp: 1 }), "heartbeat/rank must be")
  t.match(problem({ type: "heartbeat", rank: "0", memory, timestamp: 1 }), "heartbeat/rank must be integer")
  t.match(problem({ type: "metrics", rank: 0, memory: { ...memory, kv_bytes: null } }), "metrics/memory/kv_bytes")
  t.match(problem({ type: "log", level: "loud", text: "" }), "log/level")
})

t.test("a message from the side that may not send it is refused", async (t) => {
  t.equal(problem({ type: "shutdown", grace_s: 1 }, "rank"), "a shutdown message from a rank")
  t.equal(problem({ type: "state", rank: 0, detail: "" }, "coordinator"), "a state message from a coordinator")
  t.equal(problem({ type: "error", code: "x", message: "y" }, "coordinator"), "accepted")
})

t.test("the table is numbered without gaps and its first numbers never change", async (t) => {
  t.strictSame(
    MESSAGES.map((row) => `${row.number} ${row.type}`),
    [
      "1 challenge",
      "2 hello",
      "3 welcome",
      "4 config",
      "5 heartbeat",
      "6 metrics",
      "7 task",
      "8 done",
      "9 log",
      "10 error",
      "11 abort",
      "12 shutdown",
      "13 state",
    ],
  )
})

t.test("docs/control-protocol.md lists every message with its number, sender and fields", async (t) => {
  const docs = await readFile(new URL("../../../docs/control-protocol.md", import.meta.url), "utf8")
  for (const row of MESSAGES) {
    const line = docs.split("\n").find((text) => text.startsWith(`| ${row.number} | \`${row.type}\` | ${row.from} |`))
    t.ok(line, `${row.number} ${row.type}`)
    for (const field of Object.keys(row.schema.properties)) {
      if (field !== "type") t.ok(line?.includes(`\`${field}\``), `${row.type}.${field}`)
    }
  }
})
