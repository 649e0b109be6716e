// Keeps the front's JavaScript heap near what it holds. Knows nothing of what that is.

import { setFlagsFromString } from "node:v8"

/**
 * Garbage on top of what lives, in percent, at which the old generation is collected. V8's own rule lets a small heap grow
 * fourfold: requests that live for a second fill 100 MB before the first collection. A collection takes 10 to 20 ms,
 * most of it on other threads.
 */
const OLD_GENERATION_GROWTH_PERCENT = 50

/** Of the whole process and for good, threads that start later included; call it first. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${OLD_GENERATION_GROWTH_PERCENT}`)
}
