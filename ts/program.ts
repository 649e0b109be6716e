// Where this program is installed, and its version.

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** dist/ts -> the folder of the installation, without a slash at its end. */
export const PROGRAM_FOLDER = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/u, "")

export async function programVersion(): Promise<string> {
  const text: unknown = JSON.parse(await readFile(join(PROGRAM_FOLDER, "package.json"), "utf8"))
  return typeof text === "object" && text !== null && "version" in text ? String(text.version) : "0.0.0"
}
