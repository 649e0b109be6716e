// Two network namespaces joined by one link of a given rate, for tests of what the network costs. Needs Linux and root; the
// machine's own network is not touched.

import { spawnSync } from "node:child_process"

export interface NetworkLink {
  /** Of the two ends. */
  readonly addresses: readonly [string, string]
  /** What stands before a command that is to run at an end. */
  readonly enter: readonly [readonly string[], readonly string[]]
  close(): void
}

/** Why there can be no such link here, with the cure; false where there can. For tap's `skip`. */
export const noNetworkLink: string | false = why()

function why(): string | false {
  if (process.platform !== "linux") return "network namespaces need Linux: run this test there"
  if (process.getuid?.() !== 0) return "network namespaces need root: run this test as root, or in a container"
  for (const tool of ["ip", "tc"]) {
    if (spawnSync(tool, ["-V"]).status !== 0) return `${tool} is missing: apt-get install iproute2`
  }
  const probe = `mj-probe-${process.pid}`
  const made = spawnSync("ip", ["netns", "add", probe])
  spawnSync("ip", ["netns", "del", probe])
  return made.status === 0 ? false : "this container may make no network namespaces: run it with CAP_SYS_ADMIN"
}

function ip(...words: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", [...words], { encoding: "utf8" })
  if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr.trim()}`)
}

/** `rate` as tc writes it: "1gbit". */
export function createNetworkLink(rate: string): NetworkLink {
  const names = [`mj-a-${process.pid}`, `mj-b-${process.pid}`] as const
  const ends = [`mja${process.pid}`, `mjb${process.pid}`] as const
  const addresses = ["10.231.7.1", "10.231.7.2"] as const
  // Ahead of whatever else the machine does: it is the network that is measured.
  const enter = names.map((name) => ["nice", "-n", "-15", "ip", "netns", "exec", name])
  const close = () => {
    for (const name of names) spawnSync("ip", ["netns", "del", name])
  }
  try {
    for (const name of names) ip("netns", "add", name)
    ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", "name", ends[1], "netns", names[1])
    for (const [at, name] of names.entries()) {
      const end = ends[at] ?? ""
      ip("-n", name, "address", "add", `${addresses[at] ?? ""}/24`, "dev", end)
      ip("-n", name, "link", "set", end, "up")
      ip("-n", name, "link", "set", "lo", "up")
      const words = ["-n", name, "qdisc", "add", "dev", end, "root", "tbf", "rate", rate, "burst", "256kb"]
      const shaped = spawnSync("tc", [...words, "latency", "50ms"], { encoding: "utf8" })
      if (shaped.status !== 0) throw new Error(`tc: ${shaped.stderr.trim()}`)
    }
    return { addresses, enter: [enter[0] ?? [], enter[1] ?? []], close }
  } catch (error) {
    close()
    throw error
  }
}
