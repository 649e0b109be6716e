// How the ranks of a hostfile are joined: JACCL as a mesh or as a ring where the cables allow it, TCP without cables.
// JACCL itself falls back from an invalid mesh to a ring without a word: here it is decided, and an error says why not.

import type { Backend, Fail, Host } from "./hostfile.ts"

export interface TopologyLink {
  readonly from: number
  readonly to: number
  readonly transport: string
  /** Devices at both ends, "rdma_en4 ↔ rdma_en5"; empty over TCP. */
  readonly device: string
}

export interface Topology {
  /** "single" is one host: no collective leaves the process. "mesh" over TCP is a socket for each pair. */
  readonly shape: "single" | "mesh" | "ring"
  readonly transport: "jaccl" | "tcp" | "nccl" | "ring"
  /** Each pair once, from the lower rank. */
  readonly links: readonly TopologyLink[]
}

/** JACCL's ring uses no more cables towards one neighbour. */
const MAX_RING_WIRES = 4

export function chooseTopology(hosts: readonly Host[], backend: Backend | null, fail: Fail): Topology {
  if (hosts.length === 1) return { shape: "single", transport: transportOf(backend ?? "tcp"), links: [] }
  const cabled = hosts.some((host) => host.rdma.some((devices) => devices.length > 0))
  const wanted = backend ?? (cabled ? "jaccl" : "tcp")
  if (wanted !== "jaccl" && wanted !== "jaccl-ring") {
    const shape = wanted === "ring" ? "ring" : "mesh"
    const pairs = shape === "ring" ? ringPairs(hosts.length) : meshPairs(hosts.length)
    return { shape, transport: transportOf(wanted), links: pairs.map((pair) => linkOf(hosts, pair, wanted)) }
  }
  const meshGap = wanted === "jaccl-ring" ? null : meshPairs(hosts.length).find((pair) => cables(hosts, pair) === 0)
  if (wanted === "jaccl" && meshGap === undefined) {
    return {
      shape: "mesh",
      transport: "jaccl",
      links: meshPairs(hosts.length).map((pair) => linkOf(hosts, pair, "jaccl")),
    }
  }
  checkRing(hosts, meshGap ?? null, fail)
  return {
    shape: "ring",
    transport: "jaccl",
    links: ringPairs(hosts.length).map((pair) => linkOf(hosts, pair, "jaccl")),
  }
}

type Pair = readonly [number, number]

function checkRing(hosts: readonly Host[], meshGap: Pair | null, fail: Fail): void {
  const pairs = ringPairs(hosts.length)
  const noMesh = meshGap === null ? "" : `; a mesh lacks one between hosts[${meshGap[0]}] and hosts[${meshGap[1]}]`
  const wires = cables(hosts, pairs[0] ?? [0, 1])
  for (const [from, to] of pairs) {
    const count = cables(hosts, [from, to])
    const at = `hosts[${from}].rdma[${to}]`
    if (count === 0) fail(at, `a ring needs a cable between hosts[${from}] and hosts[${to}]${noMesh}`)
    if (count !== wires) {
      fail(
        at,
        `a ring needs as many cables on each side: ${count} here, ${wires} between hosts[0] and hosts[1]${noMesh}`,
      )
    }
    if (count > MAX_RING_WIRES) fail(at, `a ring uses at most ${MAX_RING_WIRES} cables to a neighbour, got ${count}`)
  }
}

function cables(hosts: readonly Host[], [from, to]: Pair): number {
  return hosts[from]?.rdma[to]?.length ?? 0
}

function meshPairs(size: number): Pair[] {
  const pairs: Pair[] = []
  for (let from = 0; from < size; from++) for (let to = from + 1; to < size; to++) pairs.push([from, to])
  return pairs
}

function ringPairs(size: number): Pair[] {
  if (size === 2) return [[0, 1]]
  return Array.from(
    { length: size },
    (_, from): Pair => [Math.min(from, (from + 1) % size), Math.max(from, (from + 1) % size)],
  )
}

function linkOf(hosts: readonly Host[], [from, to]: Pair, backend: Backend): TopologyLink {
  const here = hosts[from]?.rdma[to] ?? []
  const there = hosts[to]?.rdma[from] ?? []
  const overCable = backend === "jaccl" || backend === "jaccl-ring"
  return {
    from,
    to,
    transport: transportOf(backend),
    device: overCable ? here.map((device, n) => `${device} ↔ ${there[n] ?? "?"}`).join(", ") : "",
  }
}

function transportOf(backend: Backend): Topology["transport"] {
  return backend === "jaccl-ring" ? "jaccl" : backend
}
