// The cluster's shared secret: 32 random bytes in a file that only its owner can read. It never stands in a command
// line or an environment; a rank process gets it on its standard input.

import { randomBytes } from "node:crypto"
import { chmod, link, mkdir, open, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { ControlError, messageOf } from "./errors.ts"

const SECRET_BYTES = 32
const FILE_NAME = "secret"

/** Reads the secret of a state folder; makes it on first use. Two processes that start at once get the same one. */
export async function loadSecret(stateFolder: string): Promise<Buffer> {
  const path = join(stateFolder, FILE_NAME)
  const found = await readSecret(path)
  if (found !== null) return found
  try {
    await mkdir(stateFolder, { recursive: true, mode: 0o700 })
    // Written whole under another name and then linked: nobody ever reads half a secret, and the first one wins.
    const draft = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`
    try {
      await writeFile(draft, randomBytes(SECRET_BYTES), { mode: 0o600, flag: "wx" })
      await chmod(draft, 0o600)
      await link(draft, path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error
      })
    } finally {
      await rm(draft, { force: true })
    }
  } catch (error) {
    throw new ControlError("secret_unusable", `cannot make the secret ${path}: ${messageOf(error)}`, error)
  }
  const made = await readSecret(path)
  if (made === null) throw new ControlError("secret_unusable", `the secret ${path} was removed while it was made`)
  return made
}

async function readSecret(path: string): Promise<Buffer | null> {
  try {
    const file = await open(path, "r")
    try {
      // Windows has no such mode bits; there the folder's rights decide.
      const { mode } = await file.stat()
      if (process.platform !== "win32" && (mode & 0o077) !== 0) {
        throw new ControlError("secret_unusable", `others may read the secret ${path}: run chmod 600 ${path}`)
      }
      const bytes = await readFile(file)
      if (bytes.length !== SECRET_BYTES) {
        throw new ControlError(
          "secret_unusable",
          `the secret ${path} has ${bytes.length} bytes, not ${SECRET_BYTES}: remove it and copy it anew`,
        )
      }
      return bytes
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof ControlError) throw error
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null
    throw new ControlError("secret_unusable", `cannot read the secret ${path}: ${messageOf(error)}`, error)
  }
}
