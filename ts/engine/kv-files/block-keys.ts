// Names of KV blocks. Each commits to all tokens before it and to all that KV depends on, so that a name is never found
// for other KV. Knows no file.

import { createHash } from "node:crypto"

/** The names of the whole blocks of `positions` ids each that `ids` begin with; 64 hexadecimal digits. */
export function blockKeys(root: string, ids: Int32Array, positions: number): readonly string[] {
  const keys: string[] = []
  let before = root
  for (let end = positions; end <= ids.length; end += positions) {
    const block = ids.subarray(end - positions, end)
    const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength)
    before = createHash("sha256").update(before).update(bytes).digest("hex")
    keys.push(before)
  }
  return keys
}
