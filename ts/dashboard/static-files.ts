// The page's scripts and styles, read once. tsc copies no assets, so the folder is found from the package root, which is
// the same for the sources and for dist.

import { existsSync, readFileSync, readdirSync } from "node:fs"
import { dirname, extname, join, posix } from "node:path"
import { fileURLToPath } from "node:url"

export interface StaticFile {
  readonly contentType: string
  readonly body: Buffer
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
}

/** The package's own folder, found by walking up from this file. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error("package.json was not found above the dashboard; reinstall the package")
    folder = parent
  }
  return folder
}

/** What readers of the source need and browsers do not: comments and indentation. No string of ours spans lines. */
function compactStyles(css: string): string {
  return css
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/\s*\n\s*/g, "\n")
    .trim()
}

function readFolder(folder: string, prefix: string, files: Map<string, StaticFile>): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const name = posix.join(prefix, entry.name)
    if (entry.isDirectory()) readFolder(join(folder, entry.name), name, files)
    const contentType = CONTENT_TYPES[extname(entry.name)]
    if (entry.isFile() && contentType !== undefined) {
      const body = readFileSync(join(folder, entry.name))
      files.set(name, { contentType, body: name.endsWith(".css") ? Buffer.from(compactStyles(body.toString())) : body })
    }
  }
}

function readStaticFiles(): ReadonlyMap<string, StaticFile> {
  const files = new Map<string, StaticFile>()
  readFolder(join(packageRoot(), "ts", "dashboard", "static"), "", files)
  return files
}

/** By path below /static/, such as "dashboard.css" or "vendor/htmx.min.js". */
export const staticFiles: ReadonlyMap<string, StaticFile> = readStaticFiles()
