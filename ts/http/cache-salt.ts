// Which requests may find each other's prompts in the prefix cache. Knows no cache.

import { createHash } from "node:crypto"
import type { Settings } from "./options.ts"

/** Hexadecimal digits of a salt: 128 bits. */
const SALT_DIGITS = 32
/** What the gate calls a client that showed a key. */
const KEY_NAME = "key:"

/**
 * A key's prompts are its own unless the operator shares them; clients without a key share theirs. A salt of the
 * request's own parts it from all that do not bring the same one. Nothing: it is shared with all that have nothing.
 */
export function cacheSaltOf(
  own: string | null | undefined,
  client: string,
  { sharePrefixCache }: Pick<Settings, "sharePrefixCache">,
): { readonly cacheSalt?: string } {
  const key = !sharePrefixCache && client.startsWith(KEY_NAME) ? client : ""
  const salt = own ?? ""
  if (key === "" && salt === "") return {}
  return {
    cacheSalt: createHash("sha256")
      .update(JSON.stringify([key, salt]))
      .digest("hex")
      .slice(0, SALT_DIGITS),
  }
}
