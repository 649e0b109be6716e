// What the system's ssh is told: options that never ask a person and never wait for ever, quoting for the shell of the
// other side, and what its refusals mean. Starts no process.

import { SSH_ALIVE_INTERVAL_S, SSH_ALIVE_MISSES, SSH_CONNECT_TIMEOUT_S } from "./limits.ts"

export interface SshOptions {
  /** Configuration file in place of the user's own (`ssh -F`). */
  readonly config?: string | undefined
}

/** Arguments of ssh that run a script of POSIX sh on a host. The login shell there may be another one. */
export function sshArguments(host: string, script: string, options: SshOptions = {}): string[] {
  return [
    ...(options.config === undefined ? [] : ["-F", options.config]),
    // No terminal, no question, no forwarding; a connection of its own, so that ending it ends what it started.
    "-T",
    ...settings({
      BatchMode: "yes",
      ConnectTimeout: SSH_CONNECT_TIMEOUT_S,
      ServerAliveInterval: SSH_ALIVE_INTERVAL_S,
      ServerAliveCountMax: SSH_ALIVE_MISSES,
      ControlMaster: "no",
      ControlPath: "none",
      ClearAllForwardings: "yes",
      ForwardAgent: "no",
      ForwardX11: "no",
      PermitLocalCommand: "no",
      LogLevel: "ERROR",
    }),
    "--",
    host,
    `exec sh -c ${quote(script)}`,
  ]
}

function settings(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ["-o", `${name}=${value}`])
}

/** One word of a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** A folder as the other side's shell is to read it: `~/` is the home folder there. */
export function quoteFolder(path: string): string {
  if (path === "~") return `"$HOME"`
  return path.startsWith("~/") ? `"$HOME"/${quote(path.slice(2))}` : quote(path)
}

/** A non-interactive shell misses what a profile adds, such as Homebrew's folder. */
const PATH_LINE = `PATH="$PATH:/opt/homebrew/bin:/usr/local/bin:$HOME/.local/bin"; export PATH`

/** Exit codes of remoteProgram, beside those of the program. */
const REMOTE_EXIT = { noProduct: 66, noNode: 67 } as const

/** A script that runs this program on another host, from its folder there. `words` come from this program itself. */
export function remoteProgram(host: string, folder: string, words: readonly string[]): string {
  const where = quoteFolder(folder)
  const say = (text: string) => `printf '%s\\n' ${quote(text)} >&2`
  return [
    PATH_LINE,
    `cd ${where} 2>/dev/null && [ -f bin/mlx-cluster.js ] && [ -f dist/ts/cli/index.js ] || { ${say(
      `there is no mlx-cluster in ${folder} on ${host}: run mlx-cluster bootstrap`,
    )}; exit ${REMOTE_EXIT.noProduct}; }`,
    `command -v node >/dev/null 2>&1 || { ${say(
      `there is no node on ${host}: install Node.js 20.19 or newer there (https://nodejs.org)`,
    )}; exit ${REMOTE_EXIT.noNode}; }`,
    `exec node bin/mlx-cluster.js ${words.map(quote).join(" ")}`,
  ].join("\n")
}

/** A script for a host, with the PATH that remoteProgram has. */
export function remoteScript(lines: readonly string[]): string {
  return [PATH_LINE, ...lines].join("\n")
}

/** ssh itself failed, not what it ran. */
export const SSH_FAILED = 255

interface Refusal {
  readonly says: RegExp
  readonly means: (host: string) => string
}

const REFUSALS: readonly Refusal[] = [
  {
    says: /host key verification failed|remote host identification has changed/iu,
    means: (host) =>
      `the host key of ${host} is not the known one: connect once by hand (ssh ${host}) and compare the fingerprint, or remove an outdated line with ssh-keygen -R`,
  },
  {
    says: /permission denied|too many authentication failures|no supported authentication/iu,
    means: (host) => `${host} refuses this user's key: run ssh-copy-id ${host}, or load the key with ssh-add`,
  },
  {
    says: /could not resolve|name or service not known|nodename nor servname/iu,
    means: (host) => `the name ${host} is not known: write its address into the hostfile or ~/.ssh/config`,
  },
  {
    says: /connection refused/iu,
    means: (host) =>
      `nothing answers ssh on ${host}: turn on Remote Login there (System Settings, Sharing) or start sshd`,
  },
  {
    says: /timed out|no route to host|network is unreachable|host is down|banner exchange/iu,
    means: (host) => `${host} cannot be reached: is it on, on this network, and not asleep?`,
  },
  {
    says: /bad configuration option|can't open user config|bad owner or permissions/iu,
    means: () => "ssh cannot read its configuration file",
  },
]

/** In a sentence why ssh could not reach a host: cause and cure, with ssh's own words. */
export function explainSsh(host: string, lines: readonly string[]): string {
  const said = lines.map((line) => line.trim()).filter((line) => line !== "")
  for (const { says, means } of REFUSALS) {
    const line = said.find((each) => says.test(each))
    if (line !== undefined) return `${means(host)} (ssh: ${line})`
  }
  return `ssh ${host} failed: ${said.at(-1) ?? "without a word"}`
}
