// A rank process for tests: a real child with a real peer, without an engine. Options choose how it misbehaves.

import { systemClock } from "../clock.ts"
import { connectPeer } from "../peer.ts"
import { readRankSpec } from "../rank-spec.ts"
import { tcpTransport } from "../tcp-transport.ts"

const spec = await readRankSpec(process.stdin, () => process.exit(3))
const mode = String(spec.options)

if (mode === "exit") {
  process.stderr.write("first line\nno model here\n")
  process.exit(7)
}
if (mode === "deaf") {
  process.on("SIGTERM", () => undefined)
} else process.on("SIGTERM", () => process.exit(0))

if (mode === "mute") setInterval(() => undefined, 1_000)
else {
  const memory = {
    totalBytes: 1,
    availableBytes: 1,
    rssBytes: process.memoryUsage.rss(),
    activeBytes: 0,
    cacheBytes: 0,
    peakBytes: 0,
    modelBytes: 0,
    kvBytes: 0,
  }
  const peer = await connectPeer({
    transport: tcpTransport,
    coordinator: spec.coordinator,
    secret: spec.secret,
    identity: { rank: spec.rank, epoch: spec.epoch, hostname: "test", pid: process.pid, version: "0.0.0" },
    clock: systemClock,
    memory: () => memory,
    async task(name, body) {
      if (name === "echo") return body
      throw new Error(`no task ${name}`)
    },
    shutdown: () => (mode === "deaf" ? undefined : process.exit(0)),
    abort: () => process.exit(4),
    lost: () => process.exit(5),
  })
  peer.onPayload((kind, bytes) => {
    peer.sendPayload(kind + 1, bytes)
  })
}
