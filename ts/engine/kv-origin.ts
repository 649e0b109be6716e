// What the KV of a model depends on beside its tokens: the names of kept blocks commit to it. Knows no file of KV.

import { createHash } from "node:crypto"
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import type { NativeEngine } from "mlx-jaccl-rs"
import { modelSignature } from "./checkpoint/index.ts"
import type { TokenHalfOptions } from "./token-half-options.ts"

/**
 * Text fields: the model (its signature, and the size and age of each of its files, because files may differ where the
 * signature does not look), the back end with its instruction set, and the way of computing.
 */
export async function kvOrigin(
  path: string,
  engine: Pick<NativeEngine, "backend">,
  { numeric, executor }: Pick<TokenHalfOptions, "numeric" | "executor">,
): Promise<Readonly<Record<string, string>>> {
  const hash = createHash("sha256").update(await modelSignature(path))
  const isFolder = (await stat(path)).isDirectory()
  for (const file of isFolder ? (await readdir(path)).toSorted().map((name) => join(path, name)) : [path]) {
    const { size, mtimeMs } = await stat(file)
    hash.update(`\n${file.slice(path.length)} ${size} ${mtimeMs}`)
  }
  return { model: hash.digest("hex"), backend: engine.backend, numeric, executor, ranks: "1" }
}
