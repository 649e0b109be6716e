// Judges what the hosts of a hostfile say of themselves: what is well, what is not, why, and what to do. Pure: facts in,
// findings out. The causes and cures of RDMA over Thunderbolt are those of the field (docs/cluster.md).

import type { Hostfile } from "../control/index.ts"
import type { HostFacts } from "./host-facts.ts"

export interface Finding {
  readonly rank: number
  readonly host: string
  readonly subject: string
  readonly state: "ok" | "warning" | "problem"
  readonly text: string
  /** What to do; empty where all is well. */
  readonly cure: string
}

/** Facts of a host, or why there are none. */
export type HostReport = { readonly facts: HostFacts } | { readonly error: string }

/** JACCL opens many files, and a Mac's default for ssh is 256. */
const OPEN_FILES_RDMA = 65_536
const OPEN_FILES_TCP = 1_024
/** Thunderbolt 5; JACCL has no devices on slower links. */
const RDMA_LINK_GBPS = 80
const RDMA_MACOS = 26.2
const FAST_RDMA_MACOS = 26.3
/** Beside a host's share of the model: KV memory, MLX's buffers, the system. */
const MODEL_MEMORY_FACTOR = 1.2

/** `reports` in the order of the hostfile; the first is this machine. */
export function examine(hostfile: Hostfile, reports: readonly HostReport[]): Finding[] {
  const findings: Finding[] = []
  const first = reports[0]
  const reference = first !== undefined && "facts" in first ? first.facts : null
  for (const host of hostfile.hosts) {
    const note = (state: Finding["state"], subject: string, text: string, cure = "") =>
      findings.push({ rank: host.rank, host: host.ssh, subject, state, text, cure })
    const report = reports[host.rank]
    if (report === undefined || "error" in report) {
      const text = report === undefined ? "was not asked" : report.error
      note("problem", "ssh", text, /bootstrap|ssh/u.test(text) ? "" : "mlx-cluster bootstrap, then try again")
      continue
    }
    const { facts } = report
    if (host.rank > 0) note("ok", "ssh", "reached without a question")
    examineProgram(facts, reference, note)
    examineNetwork(hostfile, host.rank, facts, note)
    examineModel(hostfile.hosts.length, facts, reference, note)
    if (hostfile.topology.transport === "jaccl") examineRdma(hostfile, host.rank, facts, reference, note)
  }
  return findings
}

type Note = (state: Finding["state"], subject: string, text: string, cure?: string) => void

function examineProgram(facts: HostFacts, reference: HostFacts | null, note: Note): void {
  const text = `mlx-cluster ${facts.version}, Node ${facts.node}, ${facts.platform}, ${facts.system}`
  if (reference !== null && facts.version !== reference.version) {
    note("problem", "program", `${text}; the first host has ${reference.version}`, "mlx-cluster bootstrap")
  } else note("ok", "program", text)
  if (facts.mlx.usable) note("ok", "MLX", facts.mlx.text)
  else note("problem", "MLX", facts.mlx.text, "mlx-cluster bootstrap, or make setup on that host")
  if (reference !== null && facts.mlx.usable && reference.mlx.usable && facts.mlx.text !== reference.mlx.text) {
    note(
      "warning",
      "MLX",
      `the first host has ${reference.mlx.text}: answers may differ in the last bits of a number`,
      "the same kind of machine and the same installation everywhere, where that matters",
    )
  }
  if (facts.missingTools.length > 0) {
    note(
      "problem",
      "tools",
      `missing: ${facts.missingTools.join(", ")}`,
      "install them with the system's package manager",
    )
  }
}

function examineNetwork(hostfile: Hostfile, rank: number, facts: HostFacts, note: Note): void {
  const [address] = hostfile.hosts[rank]?.ips ?? []
  if (address === undefined) note("ok", "address", "none in the hostfile: the one that leads to the first host is used")
  else if (facts.addresses.includes(address) || address.startsWith("127.")) note("ok", "address", address)
  else {
    note(
      "problem",
      "address",
      `${address} is not an address of this host (it has ${facts.addresses.filter((one) => !one.startsWith("127.")).join(", ")})`,
      `mend ips of hosts[${rank}] in the hostfile`,
    )
  }
  if (facts.reach !== null) {
    const coordinator = hostfile.hosts[0]?.ips[0] ?? ""
    if (facts.reach === "") note("ok", "way", `the first host is reached at ${coordinator}`)
    else {
      note(
        "problem",
        "way",
        `the first host is not reached at ${coordinator}: ${facts.reach}`,
        "allow node in the first host's firewall, and check that both are on this network (on a Mac also: Privacy, Local Network)",
      )
    }
  }
  const wanted = hostfile.topology.transport === "jaccl" ? OPEN_FILES_RDMA : OPEN_FILES_TCP
  if (facts.openFiles !== null && facts.openFiles < wanted) {
    note(
      wanted === OPEN_FILES_RDMA ? "problem" : "warning",
      "open files",
      `a process may open ${facts.openFiles}, ${wanted} are wanted`,
      facts.platform.startsWith("darwin") ? `sudo launchctl limit maxfiles ${wanted} unlimited` : `ulimit -n ${wanted}`,
    )
  }
}

function examineModel(size: number, facts: HostFacts, reference: HostFacts | null, note: Note): void {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  const { model } = facts
  note("ok", "memory", `${gigabytes(facts.availableBytes)} of ${gigabytes(facts.totalBytes)} free`)
  if (model === null) return
  const share = ((reference?.model?.sizeBytes ?? model.sizeBytes) / size) * MODEL_MEMORY_FACTOR
  if (share > facts.totalBytes) {
    const text = `its share of the model needs about ${gigabytes(share)}, the host has ${gigabytes(facts.totalBytes)}`
    note("problem", "memory", text, "a smaller or more strongly quantized model, or another host")
  }
  if (model.error !== "") note("problem", "model", model.error, "mlx-cluster sync")
  else if (reference?.model != null && reference.model.signature !== model.signature) {
    note("problem", "model", `${model.path} is not the model that the first host has`, "mlx-cluster sync")
  } else note("ok", "model", `${model.path}, ${gigabytes(model.sizeBytes)}`)
}

function examineRdma(
  hostfile: Hostfile,
  rank: number,
  facts: HostFacts,
  reference: HostFacts | null,
  note: Note,
): void {
  const { rdma } = facts
  const wanted = (hostfile.hosts[rank]?.rdma ?? []).flatMap((devices, to) => devices.map((device) => ({ device, to })))
  if (rdma.stuck !== null) {
    const cure = "put the interface down for 15 s and up again (sudo ifconfig enX down), else restart the Mac"
    note("problem", "RDMA", `${rdma.stuck} does not end: the driver is stuck, as after a crash`, cure)
    return
  }
  if (rdma.switchedOn === false) {
    note("problem", "RDMA", "is switched off", "start into recovery, open Terminal, run rdma_ctl enable, restart")
    return
  }
  if (rdma.devices === null) {
    const isMac = facts.platform.startsWith("darwin")
    const cure = isMac ? "update to macOS 26.2 or newer (26.3 for speed)" : "serve over TCP: take the rdma rows out"
    note("problem", "RDMA", "this system has no RDMA over Thunderbolt (there is no ibv_devices)", cure)
    return
  }
  const there = new Map(rdma.devices.map(({ name, state }) => [name, state]))
  if (there.size === 0) {
    note(
      "problem",
      "RDMA",
      "is switched on, and there is no device: the link is not Thunderbolt 5, or no cable is in",
      "a Thunderbolt 5 cable (80 Gb/s) between Thunderbolt 5 ports of both Macs",
    )
    return
  }
  for (const { device, to } of wanted) {
    const field = `hosts[${rank}].rdma[${to}]`
    const state = there.get(device)
    const interfaceName = device.replace(/^rdma_/u, "")
    if (state === undefined) {
      const cure = `mend ${field}: names change when cables move and sometimes at a restart`
      note("problem", "RDMA", `${device} is not there (there are ${[...there.keys()].join(", ")})`, cure)
    } else if (state !== null && state !== "PORT_ACTIVE") {
      const other = hostfile.hosts[to]?.ssh ?? `rank ${to}`
      note(
        "problem",
        "RDMA",
        `${device} towards ${other} is ${state}`,
        `plug the cable in at both ends and switch RDMA on at both; ${interfaceName} needs an IPv4 address (169.254.x.x will do)`,
      )
    } else if (rdma.bridged.includes(interfaceName)) {
      note(
        "problem",
        "RDMA",
        `${interfaceName} is a member of the Thunderbolt bridge: connecting fails with errno 22 or 96`,
        "System Settings, Network, Manage Virtual Interfaces: delete Thunderbolt Bridge, give the port a service of its own",
      )
    } else note("ok", "RDMA", `${device} towards ${hostfile.hosts[to]?.ssh ?? to} is active`)
  }
  if (rdma.linkGbps !== null && rdma.linkGbps.length > 0 && rdma.linkGbps.every((speed) => speed < RDMA_LINK_GBPS)) {
    note(
      "problem",
      "cable",
      `the fastest link runs at ${Math.max(...rdma.linkGbps)} Gb/s`,
      "Thunderbolt 5 ports and cables",
    )
  }
  const macos = facts.platform.startsWith("darwin") ? Number.parseFloat(facts.system) : Number.NaN
  if (macos < RDMA_MACOS) note("problem", "macOS", facts.system, "update to 26.2 or newer")
  else if (macos < FAST_RDMA_MACOS) {
    note("warning", "macOS", `${facts.system}: large transfers go in frames of 4 KiB`, "update to 26.3 or newer")
  }
  if (reference !== null && reference.system !== facts.system) {
    note("warning", "macOS", `${facts.system}, the first host has ${reference.system}`, "the same build on all hosts")
  }
}
