// What tells two copies of a model apart in milliseconds: its configuration, and the size, the first and the last bytes of
// its weight files. A copy that is only half there, or another model under the same name, is found; a flipped bit in the
// middle of a file is not (mlx-cluster sync compares whole files).

import { createHash } from "node:crypto"
import { open, readdir, readFile, stat } from "node:fs/promises"
import { basename, join } from "node:path"

/** A safetensors file begins with its header, and ends with weights. */
const SAMPLE_BYTES = 64 * 1024
const WEIGHTS = /\.(safetensors|gguf)$/u

/** 64 hexadecimal digits. Names of folders do not count. */
export async function modelSignature(path: string): Promise<string> {
  const hash = createHash("sha256")
  const isFolder = (await stat(path)).isDirectory()
  const names = isFolder ? (await readdir(path)).filter((name) => WEIGHTS.test(name)).toSorted() : [""]
  if (isFolder) hash.update(await readFile(join(path, "config.json")))
  for (const name of names) {
    const file = await open(join(path, name))
    try {
      const { size } = await file.stat()
      hash.update(`\n${name === "" ? basename(path) : name} ${size}\n`)
      for (const position of [0, Math.max(0, size - SAMPLE_BYTES)]) {
        const sample = Buffer.alloc(Math.min(SAMPLE_BYTES, size))
        const { bytesRead } = await file.read(sample, 0, sample.length, position)
        hash.update(sample.subarray(0, bytesRead))
      }
    } finally {
      await file.close()
    }
  }
  return hash.digest("hex")
}
