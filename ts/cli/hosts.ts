// What the commands about hosts share: the hostfile, ssh's configuration, and which of the hosts are meant.

import { join, resolve } from "node:path"
import type { Hostfile } from "../control/index.ts"
import type { RemoteHost } from "../operations/index.ts"
import { CommandError, type Flags, type FlagValues, UsageError } from "./command.ts"
import { packageRoot } from "./package-info.ts"
import { choice, text, texts } from "./parse.ts"

export const HOST_FLAGS: Flags = {
  hostfile: { type: "string", value: "<file>", help: "machines of the cluster (default: hostfile.json)" },
  "ssh-config": { type: "string", value: "<file>", help: "ssh configuration for the other hosts (default: your own)" },
}

const TRANSPORTS = ["auto", "jaccl", "jaccl-ring", "tcp", "ring", "nccl"] as const

export const TRANSPORT_FLAG: Flags = {
  transport: { type: "string", value: "<name>", help: `way between the ranks: ${TRANSPORTS.join(", ")} (as in serve)` },
}

export const ONLY_FLAG: Flags = {
  host: { type: "string", multiple: true, value: "<name>", help: "only this host; may be repeated" },
}

export interface Hosts {
  readonly hostfile: Hostfile
  readonly path: string
  readonly sshConfig: string | undefined
  /** All but the first, which is this machine; those that --host names, if any. */
  readonly others: readonly RemoteHost[]
}

/** A hostfile that cannot be read is the command line's fault. */
export async function hostsOf(flags: FlagValues): Promise<Hosts> {
  // Loaded when they are used: help must not wait for them.
  const [{ readHostfile }, { remoteHost }] = await Promise.all([
    import("../control/index.ts"),
    import("../operations/index.ts"),
  ])
  const path = resolve(text(flags, "hostfile") ?? join(packageRoot(), "hostfile.json"))
  const config = text(flags, "ssh-config")
  const sshConfig = config === undefined ? undefined : resolve(config)
  const transport = choice(flags, "transport", TRANSPORTS) ?? "auto"
  const hostfile = await readHostfile(path, transport === "auto" ? null : transport).catch((error: unknown) => {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  })
  const all = hostfile.hosts.slice(1).map((host) => remoteHost(host, packageRoot(), sshConfig))
  const only = texts(flags, "host")
  for (const name of only) {
    if (!all.some((host) => host.name === name)) {
      throw new UsageError(
        `--host ${name} is none of the other hosts: ${all.map((host) => host.name).join(", ") || "there is none"}`,
      )
    }
  }
  return { hostfile, path, sshConfig, others: only.length === 0 ? all : all.filter(({ name }) => only.includes(name)) }
}

export interface HostOutcome<Value> {
  readonly host: string
  readonly value: Value | null
  readonly error: string | null
}

/** On all hosts at once; one that fails does not stop the others. */
export async function onEach<Value>(
  hosts: readonly RemoteHost[],
  work: (host: RemoteHost) => Promise<Value>,
): Promise<HostOutcome<Value>[]> {
  return await Promise.all(
    hosts.map(async (host) => {
      try {
        return { host: host.name, value: await work(host), error: null }
      } catch (error) {
        const message = (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ")
        return { host: host.name, value: null, error: message }
      }
    }),
  )
}

/** One line for all that failed. */
export function failIfAny(outcomes: readonly HostOutcome<unknown>[]): void {
  const failed = outcomes.flatMap(({ host, error }) => (error === null ? [] : [`${host}: ${error}`]))
  if (failed.length > 0) throw new CommandError(failed.join("; "))
}
