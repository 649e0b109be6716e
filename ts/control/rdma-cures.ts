// What the texts of JACCL and of the RDMA system mean, and what to do: the table of docs/cluster.md, for those who read a
// log and not the documentation. Knows no device.

interface RdmaCure {
  readonly symptom: RegExp
  readonly cause: string
  readonly cure: string
}

/** The first that fits counts. */
export const RDMA_CURES: readonly RdmaCure[] = [
  {
    symptom: /RTR failed with errno 22\b/u,
    cause: "the port is a member of the Thunderbolt bridge, or has no IPv4 address yet",
    cure: "delete the bridge, give the port a network service of its own, wait a minute after a restart",
  },
  {
    symptom: /errno 96\b/u,
    cause: "the port has no link-local address",
    cure: "give it a network service of its own and delete the Thunderbolt bridge",
  },
  {
    symptom: /errno (60|65)\b/u,
    cause: "the other end is not behind this device",
    cure: "check the rows of rdma in the hostfile against the cables, at both ends",
  },
  {
    symptom: /errno 16\b/u,
    cause: "the driver still holds what a process that just ended had",
    cure: "it is tried again; if it stays, restart that machine",
  },
  {
    symptom: /Couldn't allocate protection domain/u,
    cause: "the port is down, its name is another, or the driver has run out",
    cure: "check that ibv_devinfo says PORT_ACTIVE and names the device; else restart that machine",
  },
  {
    symptom: /Register memory region failed/u,
    cause: "another group uses the same device",
    cure: "end the other program that uses RDMA",
  },
  {
    symptom: /No IPv4-mapped GID/u,
    cause: "the interface of the device has no IPv4 address",
    cure: "give it one (169.254.x.x will do)",
  },
  {
    symptom: /Couldn't bind socket \(error: 49\)/u,
    cause: "the address of the hostfile is no longer this machine's",
    cure: "correct ips in the hostfile",
  },
  {
    symptom: /Couldn't connect \(error: \d+\)|Recv failed with errno=2\b/u,
    cause: "another rank failed first, or a firewall is between",
    cure: "read the first line of the log that names a rank; mlx-cluster doctor tries the way",
  },
  {
    symptom: /JACCL is not here|librdma/u,
    cause: "this system has no RDMA library, or MLX none for it",
    cure: "macOS 26.2 or newer on Thunderbolt 5 has one; else take --transport tcp",
  },
]

/** The text, with cause and cure where it is known. */
export function withRdmaCure(text: string): string {
  const found = RDMA_CURES.find(({ symptom }) => symptom.test(text))
  return found === undefined ? text : `${text} (${found.cause}: ${found.cure})`
}
