// Which ranks there are and where each of them runs: one a host of the hostfile, or several on this machine.

import { homedir } from "node:os"
import { type Address, type Backend, type Hostfile, hostsAmong, type LinkStatus } from "./control/index.ts"
import type { RankTransport } from "./engine/index.ts"
import { PROGRAM_FOLDER } from "./program.ts"
import type { RankOptions } from "./rank.ts"
import { StartError } from "./start-error.ts"

export interface RankLayout {
  readonly size: number
  /** How large a share of the model each rank takes; undefined: even shares. */
  readonly weights?: readonly number[] | undefined
  readonly hostnames: readonly string[]
  readonly links: readonly Pick<LinkStatus, "from" | "to" | "transport" | "device">[]
  /** Which way collectives go. */
  readonly transport: RankTransport
  /** Where the control plane listens: the hostfile's address of this machine, and no other. */
  readonly control: Address
  /** How the others reach this rank; null: where it leaves from towards the front. */
  address(rank: number): string | null
  /** What ssh is to call, and the folder of this program there; null: the rank runs on this machine. */
  remote(rank: number): { readonly ssh: string; readonly folder: string } | null
  /** These ranks without the others. Throws where no way joins them. */
  among(members: readonly number[]): Pick<RankLayout, "weights" | "links" | "transport">
}

const MAX_LOCAL_RANKS = 4
const LOOPBACK = "127.0.0.1"

/** Throws StartError. The first host of the hostfile is this machine. */
export function rankLayout(
  hostfile: Hostfile,
  localRanks: number | undefined,
  controlPort = 0,
  shares?: readonly number[],
): RankLayout {
  const { hosts } = hostfile
  const ranks = localRanks ?? 1
  if (!Number.isInteger(ranks) || ranks < 1 || ranks > MAX_LOCAL_RANKS) {
    throw new StartError(`the number of local ranks is 1 to ${MAX_LOCAL_RANKS}`)
  }
  const size = hosts.length === 1 ? ranks : hosts.length
  if (shares !== undefined && (shares.length !== size || !shares.every((share) => share > 0 && share < Infinity))) {
    throw new StartError(`the shares are ${size} numbers above 0, one for each rank`)
  }
  if (hosts.length === 1) {
    const backend = hostfile.backend ?? "tcp"
    const everybody = Array.from({ length: ranks }, (_, rank) => rank)
    const among: RankLayout["among"] = (members) => ({
      weights: pickFrom(shares, members),
      links: localLinks(members, backend),
      transport: localTransport(members.length, backend),
    })
    return {
      size: ranks,
      ...among(everybody),
      hostnames: everybody.map(() => hosts[0]?.ssh ?? "localhost"),
      control: { host: LOOPBACK, port: controlPort },
      address: () => LOOPBACK,
      remote: () => null,
      among,
    }
  }
  if (ranks > 1) {
    throw new StartError(
      `the hostfile names ${hosts.length} hosts, each of which runs one rank: several local ranks need a hostfile with this machine alone`,
    )
  }
  return {
    size: hosts.length,
    weights: shares ?? weightsOf(hostfile),
    hostnames: hosts.map(({ ssh }) => ssh),
    links: hostfile.topology.links,
    transport: transportOf(hostfile),
    // readHostfile has seen to it that the first of several hosts has an address.
    control: { host: hosts[0]?.ips[0] ?? LOOPBACK, port: controlPort },
    address: (rank) => hosts[rank]?.ips[0] ?? null,
    remote(rank) {
      const host = hosts[rank]
      return rank === 0 || host === undefined ? null : { ssh: host.ssh, folder: host.dir ?? PROGRAM_FOLDER }
    },
    among(members) {
      const fewer = hostsAmong(hostfile, members)
      const at = (index: number) => members[index] ?? 0
      return {
        weights: pickFrom(shares ?? weightsOf(hostfile), members),
        links: fewer.topology.links.map((link) => ({ ...link, from: at(link.from), to: at(link.to) })),
        transport: transportOf(fewer),
      }
    },
  }
}

function pickFrom(weights: readonly number[] | undefined, members: readonly number[]): readonly number[] | undefined {
  return weights === undefined ? undefined : members.map((rank) => weights[rank] ?? 1)
}

function weightsOf({ hosts }: Hostfile): readonly number[] | undefined {
  const weights = hosts.map(({ weight }) => weight)
  return weights.every((weight) => weight === weights[0]) ? undefined : weights
}

/** What a rank is told of its place beside the engine's options. */
export function rankPlaceOptions(
  layout: RankLayout,
  rank: number,
  members: readonly number[],
): Pick<RankOptions, "address" | "folders" | "weights" | "place"> {
  // One that is only asked whether it is there takes no part.
  const place = { rank: Math.max(0, members.indexOf(rank)), size: members.length }
  const weights = members.length === layout.size ? layout.weights : layout.among(members).weights
  return { address: layout.address(rank), folders: { program: PROGRAM_FOLDER, home: homedir() }, weights, place }
}

function transportOf({ hosts, topology }: Hostfile): RankTransport {
  if (topology.transport !== "jaccl") return { backend: topology.transport, devices: [] }
  return { backend: topology.shape === "ring" ? "jaccl-ring" : "jaccl", devices: hosts.map(({ rdma }) => rdma) }
}

/** Between processes of one machine there are no cables, but for those that tests make up. */
function localTransport(size: number, backend: Backend): RankTransport {
  if (backend !== "jaccl" && backend !== "jaccl-ring") return { backend, devices: [] }
  if (size > 1 && process.env["MLX_CLUSTER_JACCL"] === undefined) {
    throw new StartError("JACCL joins machines by their cables: several ranks of one machine have none, take tcp")
  }
  const ranks = Array.from({ length: size }, (_, rank) => rank)
  const device = (from: number, to: number): string[] =>
    from === to ? [] : [`rdma_en${FIRST_PORT + ((to + size - from) % size)}`]
  return { backend, devices: ranks.map((from) => ranks.map((to) => device(from, to))) }
}

/** As Macs count their Thunderbolt ports. */
const FIRST_PORT = 1

function localLinks(ranks: readonly number[], backend: Backend): RankLayout["links"] {
  const transport = backend === "jaccl-ring" ? "jaccl" : backend
  return ranks.flatMap((from) => ranks.filter((to) => to !== from).map((to) => ({ from, to, transport, device: "" })))
}
