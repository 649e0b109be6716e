// Two home folders with the same model below them, whole in one; in the other a piece of its weights is something else, of
// the same length. For tests of a host whose copy of the model is damaged.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const TINY = fileURLToPath(new URL("../../../fixtures/tiny-qwen3", import.meta.url))
const WEIGHTS = "model.safetensors"
/** Far beyond any weight, and no NaN, as bfloat16. */
const DAMAGE = 0x4f
/** More than a matrix of this model: a piece of it is in every rank's share. */
const DAMAGED_BYTES = 512 * 1024

export interface ModelHomes {
  readonly whole: string
  readonly damaged: string
  /** Below `whole`. */
  readonly model: string
  close(): void
}

/** Outside this program's folder: models below that are found there on every host. */
export function createModelHomes(): ModelHomes {
  const folder = mkdtempSync(join(tmpdir(), "mlx-cluster-homes-"))
  const [whole, damaged] = [join(folder, "whole"), join(folder, "damaged")]
  for (const home of [whole, damaged]) {
    mkdirSync(home)
    cpSync(TINY, join(home, "model"), { recursive: true })
  }
  const path = join(damaged, "model", WEIGHTS)
  const bytes = readFileSync(path)
  // The end of a file is compared when ranks start: this is the disk that has gone bad unnoticed.
  const middle = Math.floor(bytes.length / 2)
  bytes.fill(DAMAGE, middle, middle + DAMAGED_BYTES)
  writeFileSync(path, bytes)
  return { whole, damaged, model: join(whole, "model"), close: () => rmSync(folder, { recursive: true, force: true }) }
}
