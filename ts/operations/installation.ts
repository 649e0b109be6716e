// What an installation that can run consists of: the files that another host of the same kind needs, and a digest that
// tells two of them apart. The compilers, sources and tests that made it stay behind.

import { createHash } from "node:crypto"
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { OperationError } from "./errors.ts"

export interface Installation {
  readonly version: string
  /** Of this host: "darwin-arm64", "linux-x64". */
  readonly platform: string
  /** Paths below the folder of the program, in order. */
  readonly files: readonly string[]
  readonly sizeBytes: number
  /** 64 hexadecimal digits over the program's own files and the sizes of the others. */
  readonly digest: string
}

/** What a host is told that it has. */
export const INSTALLED = "installed.json"

/** Top-level entries that an installation replaces. */
export const INSTALLED_ENTRIES = [
  "bin",
  "crates",
  "dist",
  "fixtures",
  "node_modules",
  "vendor",
  "package.json",
] as const

const CRATE = "crates/mlx-jaccl-rs"
const VENDORS = ["vendor/mlx-cpu", "vendor/mlx-metal", "vendor/mlx-cuda-13"]
const LEFT_OUT = /\.(test\.js|test\.js\.map|d\.ts|d\.ts\.map|js\.map|tsbuildinfo)$|(^|\/)(testing|__pycache__)\//u
/** The server library brings a build for every system; only this one's is of use. */
const FOREIGN_BUILD = new RegExp(`(^|/)uws_(?!${process.platform}_${process.arch}_)\\w+\\.node$`, "u")

/** Rejects with install_incomplete. */
export async function readInstallation(root: string): Promise<Installation> {
  const manifest = await readManifest(join(root, "package.json"))
  const vendors: string[] = []
  for (const vendor of VENDORS) if (await exists(join(root, vendor))) vendors.push(vendor)
  if (vendors.length === 0) throw new OperationError("install_incomplete", "MLX is not here: run make setup")
  const crate = (await readdir(join(root, CRATE)).catch(() => [])).filter((name) =>
    /^(package\.json|index\.(js|d\.ts))$|\.(node|so|dylib)$/u.test(name),
  )
  if (!crate.some((name) => name.endsWith(".node"))) {
    throw new OperationError("install_incomplete", "the native addon is not built here: run make setup")
  }
  const packages = await productionPackages(root, manifest)
  const folders = [
    "bin",
    "dist/ts",
    "fixtures/tiny-qwen3",
    ...packages.map((name) => `node_modules/${name}`),
    ...vendors,
  ]
  const files = ["package.json", ...crate.map((name) => `${CRATE}/${name}`)]
  for (const folder of folders) files.push(...(await filesBelow(root, folder)))
  files.sort()

  const hash = createHash("sha256")
  let sizeBytes = 0
  for (const file of files) {
    const { size } = await stat(join(root, file))
    sizeBytes += size
    hash.update(`${file} ${size}\n`)
    // A library of a given version and size is taken as it is; the program's own files are read.
    if (!/^(vendor|node_modules|fixtures)\//u.test(file)) hash.update(await readFile(join(root, file)))
  }
  return {
    version: typeof manifest["version"] === "string" ? manifest["version"] : "0.0.0",
    platform: `${process.platform}-${process.arch}`,
    files,
    sizeBytes,
    digest: hash.digest("hex"),
  }
}

type Manifest = Readonly<Record<string, unknown>>

async function readManifest(path: string): Promise<Manifest> {
  const value: unknown = JSON.parse(await readFile(path, "utf8"))
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

/** The packages that run, with those that they need in turn; this workspace's own crate is not among them. */
async function productionPackages(root: string, manifest: Manifest): Promise<string[]> {
  const found = new Set<string>()
  const add = async (names: readonly string[], needed: boolean): Promise<void> => {
    for (const name of names) {
      const folder = join(root, "node_modules", name)
      if (found.has(name) || name === "mlx-jaccl-rs") continue
      if (!(await exists(folder))) {
        if (needed) throw new OperationError("install_incomplete", `the package ${name} is not here: run make setup`)
        continue
      }
      found.add(name)
      const own = await readManifest(join(folder, "package.json"))
      await add(Object.keys(Object(own["dependencies"])), false)
      await add(Object.keys(Object(own["optionalDependencies"])), false)
    }
  }
  await add(Object.keys(Object(manifest["dependencies"])), true)
  return [...found].toSorted()
}

async function filesBelow(root: string, folder: string): Promise<string[]> {
  const found: string[] = []
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`
    const isFolder = entry.isSymbolicLink() ? (await stat(join(root, path))).isDirectory() : entry.isDirectory()
    if (isFolder) found.push(...(await filesBelow(root, path)))
    else if (!LEFT_OUT.test(path) && !FOREIGN_BUILD.test(path)) found.push(path)
  }
  return found
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}
