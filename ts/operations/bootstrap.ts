// Installs this program on another host: the files of this installation through tar and ssh where both machines are of one
// kind, else the sources, which are then built there. Models, secrets and what else lies in the folder there stay.

import { spawn } from "node:child_process"
import { OperationError } from "./errors.ts"
import { INSTALLED, INSTALLED_ENTRIES, type Installation } from "./installation.ts"
import { greet, type RemoteHost } from "./remote-host.ts"
import { quote, quoteFolder } from "../control/index.ts"

/** Copying over a slow network; building MLX's addon on a slow machine. */
const INSTALL_MS = 3_600_000
const QUESTION_MS = 60_000

export type BootstrapResult =
  | { readonly host: string; readonly result: "current" | "installed"; readonly version: string }
  | { readonly host: string; readonly result: "built"; readonly version: string }

export interface BootstrapOptions {
  /** Of this installation. */
  readonly root: string
  readonly installation: Installation
  /** Also where the host has this installation already. */
  readonly force: boolean
  /** Send the sources and build them there, whatever the machine is. */
  readonly build: boolean
  readonly progress: (line: string) => void
}

/** Rejects with OperationError install_failed or ControlError ssh_failed. */
export async function bootstrapHost(host: RemoteHost, options: BootstrapOptions): Promise<BootstrapResult> {
  const { installation, progress } = options
  const { platform } = await greet(host)
  const where = quoteFolder(host.folder)
  if (options.build || platform !== installation.platform) {
    if (!options.build) progress(`${host.name} is ${platform}, this host ${installation.platform}: building there`)
    await buildThere(host, options)
    return { host: host.name, result: "built", version: await versionThere(host, options) }
  }
  const found = await host.run([`cat ${where}/${INSTALLED} 2>/dev/null || true`], { timeoutMs: QUESTION_MS })
  if (!options.force && digestOf(found.stdout) === installation.digest) {
    return { host: host.name, result: "current", version: await versionThere(host, options) }
  }
  progress(`${host.name}: copying ${(installation.sizeBytes / 1e6).toFixed(0)} MB`)
  const told = { version: installation.version, platform: installation.platform, digest: installation.digest }
  await sendFiles(host, options.root, installation.files, [
    // Without the note the installation counts as none: it goes first and comes back last.
    `rm -f ${INSTALLED}`,
    ...INSTALLED_ENTRIES.map((entry) => `rm -rf ${entry} && mv .incoming/${entry} ${entry} || exit 1`),
    "ln -sfn ../crates/mlx-jaccl-rs node_modules/mlx-jaccl-rs",
    `printf %s ${quote(JSON.stringify(told))} > ${INSTALLED}`,
  ])
  return { host: host.name, result: "installed", version: await versionThere(host, options) }
}

function digestOf(json: string): string {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === "object" && value !== null && "digest" in value ? String(value.digest) : ""
  } catch {
    return ""
  }
}

/** Whole files into a folder beside, then `afterwards` in the folder of the program. */
async function sendFiles(
  host: RemoteHost,
  root: string,
  files: readonly string[],
  afterwards: readonly string[],
): Promise<void> {
  // Links are sent as what they point to: a development tree has some.
  const tar = spawn("tar", ["-C", root, "-c", "-h", "-f", "-", "-T", "-"], {
    stdio: ["pipe", "pipe", "pipe"],
    // A Mac would add its extended attributes as files.
    env: { ...process.env, COPYFILE_DISABLE: "1" },
  })
  let complaint = ""
  tar.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text
  })
  const ended = new Promise<number>((resolve, reject) => {
    tar.once("error", reject)
    tar.once("close", (code) => resolve(code ?? 1))
  })
  ended.catch(() => undefined)
  tar.stdin.on("error", () => undefined)
  tar.stdin.end(`${files.join("\n")}\n`)
  const where = quoteFolder(host.folder)
  const sent = await host.run(
    [
      `mkdir -p ${where} && cd ${where} || exit 1`,
      "rm -rf .incoming && mkdir .incoming && tar -x -f - -C .incoming || exit 1",
      ...afterwards,
      "rm -rf .incoming",
    ],
    { timeoutMs: INSTALL_MS, input: tar.stdout },
  )
  const packed = await ended.catch((error: unknown) => {
    throw new OperationError("install_failed", "cannot run tar: install it", error)
  })
  if (packed !== 0) throw new OperationError("install_failed", `tar: ${complaint.trim().split("\n").at(-1) ?? packed}`)
  if (sent.code !== 0) {
    const reason = sent.stderr.trim().split("\n").at(-1) ?? ""
    throw new OperationError("install_failed", `${host.name}: cannot write ${host.folder}: ${reason}`)
  }
}

async function buildThere(host: RemoteHost, options: BootstrapOptions): Promise<void> {
  const files = await sourceFiles(options.root)
  options.progress(`${host.name}: copying the sources`)
  await sendFiles(host, options.root, files, [`rm -f ${INSTALLED}`, "cp -R .incoming/. . || exit 1"])
  options.progress(`${host.name}: scripts/setup.sh`)
  const built = await host.run([`cd ${quoteFolder(host.folder)} && exec sh scripts/setup.sh`], {
    timeoutMs: INSTALL_MS,
    onLine: (line) => options.progress(`${host.name}: ${line}`),
  })
  if (built.code !== 0) {
    const reason = built.stderr.trim().split("\n").at(-1) ?? `setup ended with ${built.code}`
    throw new OperationError("install_failed", `${host.name}: ${reason}`)
  }
}

/** What git knows of; an installation that was copied has no sources to send. */
async function sourceFiles(root: string): Promise<string[]> {
  const git = spawn("git", ["-C", root, "ls-files", "-z"], { stdio: ["ignore", "pipe", "ignore"] })
  let list = ""
  git.stdout.setEncoding("utf8").on("data", (text: string) => {
    list += text
  })
  const code = await new Promise<number>((resolve) => {
    git.once("error", () => resolve(1))
    git.once("close", (status) => resolve(status ?? 1))
  })
  const files = list.split("\0").filter((file) => file !== "")
  if (code === 0 && files.length > 0) return files
  throw new OperationError(
    "install_failed",
    "a host of another kind needs the sources, and they are not here: clone the repository there and run make setup",
  )
}

/** The program as it runs there: proves that node and all packages are there too. */
async function versionThere(host: RemoteHost, { installation }: BootstrapOptions): Promise<string> {
  const { code, stdout, stderr } = await host.program(["version"], { timeoutMs: QUESTION_MS })
  if (code !== 0) throw new OperationError("install_failed", `${host.name}: ${stderr.trim().split("\n").at(-1) ?? ""}`)
  const version = /^mlx-cluster (\S+)/u.exec(stdout)?.[1] ?? "?"
  if (version === installation.version) return version
  throw new OperationError(
    "install_failed",
    `${host.name} has mlx-cluster ${version} after the installation, not ${installation.version}: remove ${host.folder} there`,
  )
}
