// The door of the panels: every panel of the page, in reading order.

import { cache } from "./cache.ts"
import { errors } from "./errors.ts"
import { headline } from "./headline.ts"
import { latency } from "./latency.ts"
import { link } from "./link.ts"
import { memory } from "./memory.ts"
import { model } from "./model.ts"
import { nodes } from "./nodes.ts"
import { overview } from "./overview.ts"
import type { Panel } from "./panel.ts"
import { performance } from "./performance.ts"
import { queue } from "./queue.ts"
import { requests } from "./requests.ts"
import { speculation } from "./speculation.ts"
import { topology } from "./topology.ts"

export type { Panel } from "./panel.ts"
export { headline }

/** The cards of the page; the headline stands in the page's head. */
export const cards: readonly Panel[] = [
  overview,
  performance,
  queue,
  model,
  latency,
  cache,
  speculation,
  topology,
  link,
  memory,
  nodes,
  requests,
  errors,
]
