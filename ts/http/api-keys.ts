// The keys that clients may show. Keeps hashes only, and compares in a time that tells nothing.

import { createHash, timingSafeEqual } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import { LIMITS } from "./limits.ts"

export interface ApiKeys {
  readonly size: number
  /** A short public name of the key shown, or null when it is none of ours. */
  identify(shown: string): string | null
}

export function createApiKeys(keys: readonly string[]): ApiKeys {
  if (keys.length > LIMITS.apiKeys) throw new Error(`more than ${LIMITS.apiKeys} API keys`)
  const hashes = [...new Set(keys)].map((key) => {
    if (key === "" || key.length > LIMITS.apiKeyChars)
      throw new Error(`an API key must have 1 to ${LIMITS.apiKeyChars} characters`)
    return hash(key)
  })
  // The name is what a key's share of the prefix cache goes by, too.
  if (new Set(hashes.map(nameOf)).size < hashes.length)
    throw new Error("two API keys have the same name by chance: replace one of them")
  return {
    size: hashes.length,
    identify(shown) {
      const candidate = hash(shown)
      let found = -1
      // Every key is compared, so that the time does not say which one was near.
      for (const [index, known] of hashes.entries()) if (timingSafeEqual(known, candidate)) found = index
      return found < 0 ? null : nameOf(candidate)
    },
  }
}

export function readKeyFile(path: string): string[] {
  if (statSync(path).size > LIMITS.apiKeyFileBytes)
    throw new Error(`the API key file ${path} is larger than ${LIMITS.apiKeyFileBytes} bytes`)
  const keys = readFileSync(path, "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
  if (keys.length === 0) throw new Error(`the API key file ${path} holds no key: write one key a line`)
  return keys
}

function nameOf(digest: Buffer): string {
  return `key:${digest.toString("hex", 0, 4)}`
}

function hash(text: string): Buffer {
  return createHash("sha256").update(text).digest()
}
