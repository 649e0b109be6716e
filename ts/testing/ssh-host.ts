// A real sshd for tests, on loopback addresses of this machine and as this user: own port, host key, authorized key. The
// user's own ssh files are neither read nor written.

import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { userInfo } from "node:os"
import { join } from "node:path"
import { until } from "./until.ts"

const SSHD = "/usr/sbin/sshd"

/** Why there can be no sshd here, with the cure; false where there can. For tap's `skip`. */
export const noSshHost: string | false =
  process.platform !== "linux"
    ? "several loopback addresses need Linux: run this test there"
    : existsSync(SSHD)
      ? false
      : `${SSHD} is missing: apt-get install openssh-server`

export interface SshHost {
  /** For ssh -F: knows the names given, each at its address. */
  readonly config: string
  /** Writes another configuration beside it: `lines` come first and count, `key` is the user's (default user_key). */
  configWith(name: string, lines: string, key?: string): string
  readonly port: number
  close(): Promise<void>
}

/** `names`: of hosts, with their addresses. `enter` stands before the command, such as `ip netns exec one`. */
export async function startSshHost(
  folder: string,
  names: Readonly<Record<string, string>>,
  enter: readonly string[] = [],
): Promise<SshHost> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const key of ["host_key", "user_key", "other_key"]) {
    const made = spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, key)])
    if (made.status !== 0) throw new Error(`ssh-keygen: ${made.stderr.toString()}`)
  }
  const addresses = [...new Set(Object.values(names))]
  const port = await freePort()
  writeFileSync(join(folder, "authorized_keys"), readFileSync(join(folder, "user_key.pub")), { mode: 0o600 })
  const hostKey = readFileSync(join(folder, "host_key.pub"), "utf8")
  writeFileSync(join(folder, "known_hosts"), addresses.map((address) => `[${address}]:${port} ${hostKey}`).join(""))
  writeFileSync(
    join(folder, "sshd_config"),
    [
      `Port ${port}`,
      ...addresses.map((address) => `ListenAddress ${address}`),
      `HostKey ${join(folder, "host_key")}`,
      `AuthorizedKeysFile ${join(folder, "authorized_keys")}`,
      "PidFile none",
      "UsePAM no",
      "StrictModes no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "LogLevel ERROR",
      "",
    ].join("\n"),
  )
  const base = [
    ...Object.entries(names).flatMap(([name, address]) => [`Host ${name}`, `  HostName ${address}`]),
    "Host *",
    `  Port ${port}`,
    `  User ${userInfo().username}`,
    `  UserKnownHostsFile ${join(folder, "known_hosts")}`,
    "  GlobalKnownHostsFile none",
    "  StrictHostKeyChecking yes",
    "  IdentitiesOnly yes",
  ]
  const write = (name: string, lines: readonly string[], key = "user_key") => {
    const path = join(folder, name)
    writeFileSync(path, `${lines.join("\n")}\n  IdentityFile ${join(folder, key)}\n`, { mode: 0o600 })
    return path
  }
  // sshd of a root user gives up its rights in this folder.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 })
  const [program, ...before]: [string, ...string[]] = [
    enter[0] ?? SSHD,
    ...enter.slice(1),
    ...(enter.length === 0 ? [] : [SSHD]),
  ]
  // A test that is killed closes the pipe, and sshd ends with it.
  const script = '"$@" & cat > /dev/null; kill $! 2> /dev/null; wait'
  const words = [program, ...before, "-D", "-e", "-f", join(folder, "sshd_config")]
  const sshd = spawn("sh", ["-c", script, "sh", ...words], { stdio: ["pipe", "ignore", "pipe"] })
  let said = ""
  sshd.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text
  })
  const exited = once(sshd, "exit")
  const config = write("ssh_config", base)
  await until(async () => {
    if (/\b(fatal|error|terminating)\b/iu.test(said)) throw new Error(`sshd: ${said}`)
    if (enter.length > 0) {
      const [first, ...rest] = enter
      const words = [...rest, "ssh", "-F", config, Object.keys(names)[0] ?? "", "true"]
      return first !== undefined && spawnSync(first, words).status === 0
    }
    return await answers(addresses[0] ?? "", port)
  })
  return {
    config,
    configWith: (name, lines, key) => write(name, [lines, ...base], key),
    port,
    async close() {
      sshd.stdin.end()
      await exited
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  if (address === null || typeof address === "string") throw new Error("no free port")
  return address.port
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => resolve(false))
  })
}
