// What this host says of RDMA over Thunderbolt: from the system's own tools, each in a process with a deadline, since they
// hang when a driver is stuck. Parsing is apart from asking, and keeps to what it knows.

import { execFile } from "node:child_process"

export interface RdmaDevice {
  readonly name: string
  /** "PORT_ACTIVE", "PORT_DOWN", ...; null: not said. */
  readonly state: string | null
}

export interface RdmaFacts {
  /** `rdma_ctl status`; null where there is no such tool. */
  readonly switchedOn: boolean | null
  /** null: ibv_devices is not there; then no verbs library is either. */
  readonly devices: readonly RdmaDevice[] | null
  /** A tool that did not end in time: the driver is stuck. */
  readonly stuck: string | null
  /** Interfaces that are members of bridge0, by name: "en2". */
  readonly bridged: readonly string[]
  /** Gbit/s of the Thunderbolt ports that have something plugged in; null: not known. */
  readonly linkGbps: readonly number[] | null
}

/** A driver that is stuck never answers. */
const TOOL_MS = 10_000

interface Said {
  readonly text: string
  readonly state: "ended" | "missing" | "late"
}

function ask(program: string, args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: TOOL_MS, killSignal: "SIGKILL", maxBuffer: 1 << 24 }, (error, stdout) => {
      const missing = error !== null && "code" in error && error.code === "ENOENT"
      resolve({ text: stdout, state: missing ? "missing" : error?.killed === true ? "late" : "ended" })
    })
  })
}

export async function readRdmaFacts(): Promise<RdmaFacts> {
  const isMac = process.platform === "darwin"
  const nothing: Promise<Said> = Promise.resolve({ text: "", state: "missing" })
  const [list, info, control, bridge, thunderbolt] = await Promise.all([
    ask("ibv_devices", []),
    ask("ibv_devinfo", []),
    isMac ? ask("rdma_ctl", ["status"]) : nothing,
    isMac ? ask("ifconfig", ["bridge0"]) : nothing,
    isMac ? ask("system_profiler", ["SPThunderboltDataType", "-json"]) : nothing,
  ])
  const stuck = list.state === "late" ? "ibv_devices" : info.state === "late" ? "ibv_devinfo" : null
  const states = parsePortStates(info.text)
  return {
    switchedOn: control.state === "missing" ? null : /\benabled\b/iu.test(control.text),
    devices:
      list.state === "missing"
        ? null
        : parseDevices(list.text).map((name) => ({ name, state: states.get(name) ?? null })),
    stuck,
    bridged: parseBridge(bridge.text),
    linkGbps: thunderbolt.state === "ended" ? parseLinkSpeeds(thunderbolt.text) : null,
  }
}

/** Names in the table of `ibv_devices`. */
export function parseDevices(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [name, guid] = line.trim().split(/\s+/)
    return name !== undefined && guid !== undefined && /^[0-9a-f]{8,}$/iu.test(guid) ? [name] : []
  })
}

/** State of the first port by device, of `ibv_devinfo`. */
export function parsePortStates(text: string): Map<string, string> {
  const states = new Map<string, string>()
  let device = ""
  for (const line of text.split("\n")) {
    device = /^hca_id:\s*(\S+)/u.exec(line)?.[1] ?? device
    const state = /^\s*state:\s*(\w+)/u.exec(line)?.[1]
    if (state !== undefined && device !== "" && !states.has(device)) states.set(device, state)
  }
  return states
}

/** Members in the answer of `ifconfig bridge0`. */
export function parseBridge(text: string): string[] {
  return [...text.matchAll(/^\s*member:\s*(\S+)/gmu)].flatMap(([, name]) => (name === undefined ? [] : [name]))
}

/** Speeds of ports with a device, in the answer of system_profiler, wherever they stand in it. */
export function parseLinkSpeeds(json: string): number[] | null {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return null
  }
  const speeds: number[] = []
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return
    const entries = Object.entries(node)
    const idle = entries.some(([key, word]) => key === "receptacle_status_key" && /no_devices/u.test(String(word)))
    for (const [key, word] of entries) {
      const speed = key === "current_speed_key" ? /(\d+)\s*Gb/u.exec(String(word))?.[1] : undefined
      if (speed !== undefined && !idle) speeds.push(Number(speed))
      walk(word)
    }
  }
  walk(value)
  return speeds
}
