// A front for tests: starts one rank, prints its process id and waits to be killed. The rank inherits stdout, so that
// whoever reads it sees its end when both are gone.

import { spawn } from "node:child_process"
import { encodeRankSpec } from "../rank-spec.ts"
import { createCoordinator } from "../coordinator.ts"
import { systemClock } from "../clock.ts"
import { tcpTransport } from "../tcp-transport.ts"

const secret = new Uint8Array(32).fill(7)
const coordinator = await createCoordinator({
  transport: tcpTransport,
  address: { host: "127.0.0.1", port: 0 },
  secret,
  size: 1,
  clock: systemClock,
  events: {
    joined: (connection) => process.stdout.write(`${connection.pid}\n`),
    heard: () => undefined,
    memory: () => undefined,
    detail: () => undefined,
    log: () => undefined,
    left: () => undefined,
    refused: () => undefined,
  },
})
coordinator.beginEpoch(1)
const rank = spawn(process.execPath, [new URL("./rank-child.js", import.meta.url).pathname], {
  stdio: ["pipe", "inherit", "inherit"],
})
rank.stdin.write(
  encodeRankSpec({ rank: 0, size: 1, epoch: 1, coordinator: coordinator.address, secret, options: "well" }),
)
