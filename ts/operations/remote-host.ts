// A host of the hostfile as the operations see it: where the program lies there, and how scripts run on it.

import { type Host, remoteProgram, remoteScript, runOverSsh, type SshResult } from "../control/index.ts"
import type { Readable } from "node:stream"

export interface RemoteHost {
  readonly rank: number
  /** What ssh calls, and how people know it. */
  readonly name: string
  /** Of this program there. */
  readonly folder: string
  run(lines: readonly string[], options: RunOptions): Promise<SshResult>
  /** Runs this program there. */
  program(words: readonly string[], options: RunOptions): Promise<SshResult>
}

interface RunOptions {
  readonly timeoutMs: number
  readonly input?: Readable | string
  readonly onLine?: (line: string) => void
}

export function remoteHost(host: Host, programFolder: string, sshConfig: string | undefined): RemoteHost {
  const folder = host.dir ?? programFolder
  return {
    rank: host.rank,
    name: host.ssh,
    folder,
    run: (lines, options) => runOverSsh(host.ssh, remoteScript(lines), { config: sshConfig, ...options }),
    program: (words, options) =>
      runOverSsh(host.ssh, remoteProgram(host.ssh, folder, words), { config: sshConfig, ...options }),
  }
}

/** What a host is, in a moment: the operating system and the machine as `uname` calls them, home folder. */
export async function greet(host: RemoteHost): Promise<{ readonly platform: string; readonly home: string }> {
  const { stdout } = await host.run(['printf "%s-%s\\n%s\\n" "$(uname -s)" "$(uname -m)" "$HOME"'], {
    timeoutMs: GREETING_MS,
  })
  const [platform = "", home = ""] = stdout.trim().split("\n")
  return { platform: platformOf(platform), home }
}

/** ssh's own deadlines come first. */
const GREETING_MS = 30_000

/** As `process.platform` and `process.arch` say it. */
function platformOf(uname: string): string {
  const [system = "", machine = ""] = uname.toLowerCase().split("-")
  const arch = { x86_64: "x64", amd64: "x64", aarch64: "arm64" }[machine] ?? machine
  return `${system}-${arch}`
}
