// The address of this machine that another one sees: where the hostfile names none for a rank, it is the one that its
// connection to the front leaves from.

import { createSocket } from "node:dgram"
import { once } from "node:events"
import { isIPv6 } from "node:net"
import { ControlError } from "./control/index.ts"

/** Sends nothing: connecting a datagram socket only asks the system for the way. */
export async function addressTowards(host: string, port: number): Promise<string> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4")
  try {
    const connected = once(socket, "connect")
    socket.connect(port, host)
    await connected
    return socket.address().address
  } catch (error) {
    throw new ControlError("launch_failed", `this machine has no way to ${host}`, error)
  } finally {
    socket.close()
  }
}
