// How fast the network interface of an address says that it is: what a link over it can carry at best.

import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { networkInterfaces } from "node:os"

const BITS_PER_BYTE = 8
const TOOL_MS = 2000

/** Bytes a second; null where nothing tells: loopback, virtual and wireless interfaces. `address`: of this machine. */
export async function interfaceSpeed(address: string): Promise<number | null> {
  const found = Object.entries(networkInterfaces()).find(([, places]) =>
    places?.some((place) => place.address === address && !place.internal),
  )
  if (found === undefined) return null
  const [name] = found
  if (process.platform === "linux") {
    // Megabits a second; -1, or an error, where the interface has no speed.
    return fromMegabits(Number(await readFile(`/sys/class/net/${name}/speed`, "utf8").catch(() => "")))
  }
  return process.platform === "darwin" ? mediaSpeed(await ifconfig(name)) : null
}

function fromMegabits(megabits: number): number | null {
  return megabits > 0 && Number.isFinite(megabits) ? (megabits * 1e6) / BITS_PER_BYTE : null
}

/** Of ifconfig's line "media: autoselect (10Gbase-T <full-duplex>)". */
export function mediaSpeed(text: string): number | null {
  const found = /\bmedia:.*?\(?(\d+(?:\.\d+)?)(G?)base/i.exec(text)
  if (found === null) return null
  return fromMegabits(Number(found[1]) * (found[2] === "" ? 1 : 1000))
}

async function ifconfig(name: string): Promise<string> {
  return await new Promise((resolve) => {
    execFile("/sbin/ifconfig", [name], { timeout: TOOL_MS }, (error, stdout) => resolve(error === null ? stdout : ""))
  })
}
