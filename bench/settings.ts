// What the benchmarks share of their command lines.

import { fileURLToPath } from "node:url"
import type { TokenHalfOptions } from "../ts/engine/index.ts"

/** dist/bench -> the folder of the installation. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url))

export const STARTER_MODEL = fileURLToPath(new URL("../../models/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url))

const NUMERICS: readonly TokenHalfOptions["numeric"][] = ["int8x2", "fp32", "int8"]

export function numericOf(text: string): TokenHalfOptions["numeric"] {
  const numeric = NUMERICS.find((name) => name === text)
  if (numeric === undefined) throw new Error(`--numeric is one of ${NUMERICS.join(", ")}`)
  return numeric
}
