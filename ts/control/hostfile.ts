// hostfile.json: the machines of a cluster and the cables between them, parsed and checked. Every error names the entry
// and the field. Formats and rules: docs/hostfile.md. Which way the ranks are joined is decided in topology.ts.

import { readFile } from "node:fs/promises"
import { isIP } from "node:net"
import { basename } from "node:path"
import { ControlError, messageOf } from "./errors.ts"
import { MAX_HOSTS } from "./limits.ts"
import { chooseTopology, type Topology } from "./topology.ts"

const BACKENDS = ["jaccl", "jaccl-ring", "tcp", "nccl", "ring"] as const
export type Backend = (typeof BACKENDS)[number]

export interface Host {
  readonly rank: number
  /** What ssh is to call: a name of the ssh configuration, a host name, or user@host. */
  readonly ssh: string
  /** Addresses of the machine; the first of rank 0 is the coordinator's. */
  readonly ips: readonly string[]
  /** Devices towards each rank, a device a cable; empty towards itself and where no cable is. */
  readonly rdma: readonly (readonly string[])[]
  /** Folder of this program there, absolute or from "~/"; null: the same as here. */
  readonly dir: string | null
  /** How large a share of the model it takes, beside the other hosts'. */
  readonly weight: number
}

export interface Hostfile {
  readonly hosts: readonly Host[]
  /** Asked for in the file; null: chosen by the cables. */
  readonly backend: Backend | null
  /** Environment of every rank. */
  readonly envs: Readonly<Record<string, string>>
  readonly topology: Topology
}

const DEVICE = /^[A-Za-z0-9_.-]+$/
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
// oxlint-disable-next-line no-control-regex -- a control character would end the line of a script
const FOLDER = /^(~\/|\/)[^\u0000-\u001f]*$/
// A leading dash would be an option of ssh; blanks and quotes have no place in a host name.
const SSH_TARGET = /^[A-Za-z0-9_.:@%[\]][A-Za-z0-9_.:@%[\]-]*$/

/** `backend`: in place of the one that the file asks for. */
export async function readHostfile(path: string, backend: Backend | null = null): Promise<Hostfile> {
  let text: string
  try {
    text = await readFile(path, "utf8")
  } catch (error) {
    throw new ControlError("bad_hostfile", `cannot read the hostfile ${path}: ${messageOf(error)}`, error)
  }
  return parseHostfile(text, basename(path), backend)
}

/** `name` stands before every error. Throws ControlError bad_hostfile. */
export function parseHostfile(text: string, name: string, wanted: Backend | null = null): Hostfile {
  const fail: Fail = (where, problem) => {
    throw new ControlError("bad_hostfile", `${name}: ${where}${where === "" ? "" : ": "}${problem}`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ControlError("bad_hostfile", `${name}: not JSON: ${messageOf(error)}`, error)
  }
  const file = Array.isArray(value) ? { hosts: value } : record(value, "", "a list of hosts, or an object", fail)
  known(file, "", ["hosts", "backend", "envs"], fail)

  const entries = list(file["hosts"], "hosts", "a list of hosts", fail)
  if (entries.length === 0) fail("hosts", "expected at least one host")
  if (entries.length > MAX_HOSTS) fail("hosts", `expected at most ${MAX_HOSTS} hosts, got ${entries.length}`)
  const backend = wanted ?? backendOf(file["backend"], fail)
  const hosts = entries.map((entry, rank) => hostOf(entry, rank, entries.length, fail))
  checkAddresses(hosts, fail)
  checkCables(hosts, fail)
  return { hosts, backend, envs: envsOf(file["envs"], fail), topology: chooseTopology(hosts, backend, fail) }
}

/** A hostfile of some of its hosts, in their order, that are ranks from 0 on. Throws ControlError bad_hostfile. */
export function hostsAmong(hostfile: Hostfile, members: readonly number[]): Hostfile {
  const fail: Fail = (where, problem) => {
    throw new ControlError("bad_hostfile", `without the other hosts, ${where}: ${problem}`)
  }
  const hosts = members.flatMap((member, rank) => {
    const host = hostfile.hosts[member]
    return host === undefined ? [] : [{ ...host, rank, rdma: members.map((other) => host.rdma[other] ?? []) }]
  })
  return { ...hostfile, hosts, topology: chooseTopology(hosts, hostfile.backend, fail) }
}

export type Fail = (where: string, problem: string) => never

function backendOf(value: unknown, fail: Fail): Backend | null {
  if (value === undefined || value === null || value === "any") return null
  return (
    BACKENDS.find((known) => known === value) ??
    fail("backend", `expected one of ${BACKENDS.join(", ")}, got ${show(value)}`)
  )
}

function envsOf(value: unknown, fail: Fail): Record<string, string> {
  const envs: Record<string, string> = {}
  if (value === undefined) return envs
  for (const [at, entry] of list(value, "envs", 'a list of "NAME=value"', fail).entries()) {
    const split = typeof entry === "string" ? entry.indexOf("=") : -1
    if (typeof entry !== "string" || split < 0 || !ENV_NAME.test(entry.slice(0, split)) || entry.includes("\0")) {
      fail(`envs[${at}]`, `expected "NAME=value", got ${show(entry)}`)
    } else envs[entry.slice(0, split)] = entry.slice(split + 1)
  }
  return envs
}

function hostOf(value: unknown, rank: number, size: number, fail: Fail): Host {
  const where = `hosts[${rank}]`
  const entry = record(value, where, "an object with ssh, ips and rdma", fail)
  known(entry, where, ["ssh", "ips", "rdma", "dir", "weight"], fail)

  const ssh = entry["ssh"]
  if (typeof ssh !== "string" || !SSH_TARGET.test(ssh)) {
    return fail(`${where}.ssh`, `expected a host name for ssh, got ${show(ssh)}`)
  }
  const ips = list(entry["ips"] ?? [], `${where}.ips`, "a list of addresses", fail).map((ip, at) =>
    typeof ip === "string" && isIP(ip) !== 0
      ? ip
      : fail(`${where}.ips[${at}]`, `expected an IPv4 or IPv6 address, got ${show(ip)}`),
  )
  if (rank === 0 && size > 1 && ips.length === 0) {
    fail(`${where}.ips`, "expected an address: the other ranks reach the coordinator, rank 0, there")
  }
  return {
    rank,
    ssh,
    ips,
    rdma: rowOf(entry["rdma"], rank, size, fail),
    dir: folderOf(entry["dir"], where, fail),
    weight: weightOf(entry["weight"], where, fail),
  }
}

function weightOf(value: unknown, where: string, fail: Fail): number {
  if (value === undefined) return 1
  if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value
  return fail(`${where}.weight`, `expected a number above 0, got ${show(value)}`)
}

function folderOf(value: unknown, where: string, fail: Fail): string | null {
  if (value === undefined || value === null) return null
  if (typeof value === "string" && FOLDER.test(value)) return value
  return fail(`${where}.dir`, `expected a folder that begins with / or ~/, got ${show(value)}`)
}

function rowOf(value: unknown, rank: number, size: number, fail: Fail): string[][] {
  const where = `hosts[${rank}].rdma`
  // Without RDMA the field may be left out.
  if (value === undefined || value === null) return Array.from({ length: size }, () => [])
  const cells = list(value, where, "a list of device names and nulls", fail)
  if (cells.length !== size) {
    fail(where, `expected ${size} ${size === 1 ? "entry" : "entries"}, one for each host, got ${cells.length}`)
  }
  const seen = new Map<string, number>()
  return cells.map((cell, to) => {
    const at = `${where}[${to}]`
    const devices = devicesOf(cell, at, fail)
    if (to === rank && devices.length > 0) fail(at, `expected null (a host has no cable to itself), got ${show(cell)}`)
    for (const device of devices) {
      const other = seen.get(device)
      if (other !== undefined) {
        fail(at, `device ${show(device)} is named for hosts[${other}] already: one port holds one cable`)
      }
      seen.set(device, to)
    }
    return devices
  })
}

function devicesOf(cell: unknown, at: string, fail: Fail): string[] {
  if (cell === null) return []
  if (typeof cell === "string" && DEVICE.test(cell)) return [cell]
  if (!Array.isArray(cell)) return fail(at, `expected a device name or null, got ${show(cell)}`)
  if (cell.length === 0) fail(at, "expected at least one device name, or null, got []")
  return cell.map((device: unknown, n) =>
    typeof device === "string" && DEVICE.test(device)
      ? device
      : fail(`${at}[${n}]`, `expected a device name, got ${show(device)}`),
  )
}

/** Several ranks may share one machine only over the loopback. */
function checkAddresses(hosts: readonly Host[], fail: Fail): void {
  const owners = new Map<string, number>()
  for (const { rank, ips } of hosts) {
    for (const [at, ip] of ips.entries()) {
      const owner = owners.get(ip)
      if (owner !== undefined && owner !== rank && !ip.startsWith("127.") && ip !== "::1") {
        fail(`hosts[${rank}].ips[${at}]`, `${ip} belongs to hosts[${owner}] already`)
      }
      owners.set(ip, rank)
    }
  }
}

/** A cable has two ends: both rows must name it. */
function checkCables(hosts: readonly Host[], fail: Fail): void {
  for (const host of hosts) {
    for (const [to, devices] of host.rdma.entries()) {
      const back = hosts[to]?.rdma[host.rank]?.length ?? 0
      if (devices.length > back) {
        fail(
          `hosts[${to}].rdma[${host.rank}]`,
          `expected ${devices.length} device${devices.length === 1 ? "" : "s"}, as hosts[${host.rank}].rdma[${to}] names, got ${back === 0 ? "null" : back}`,
        )
      }
    }
  }
}

function list(value: unknown, where: string, wanted: string, fail: Fail): readonly unknown[] {
  return Array.isArray(value) ? value : fail(where, `expected ${wanted}, got ${show(value)}`)
}

function record(value: unknown, where: string, wanted: string, fail: Fail): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fail(where, `expected ${wanted}, got ${show(value)}`)
  }
  return Object.fromEntries(Object.entries(value))
}

function known(entry: Readonly<Record<string, unknown>>, where: string, fields: readonly string[], fail: Fail): void {
  for (const field of Object.keys(entry)) {
    if (!fields.includes(field)) fail(where, `unknown field ${show(field)}; known are ${fields.join(", ")}`)
  }
}

function show(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
