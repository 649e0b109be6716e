// Links come one a direction; people see one cable.

import { figure } from "./screen-text.ts"
import { field } from "./server-client.ts"

/** The way back is left out where there is a way there. */
export function cables(links: readonly unknown[]): readonly unknown[] {
  const ends = (link: unknown) => [figure(field(link, "from")) ?? 0, figure(field(link, "to")) ?? 0] as const
  const there = new Set(links.map((link) => ends(link).join(" ")))
  return links.filter((link) => {
    const [from, to] = ends(link)
    return from < to || !there.has(`${to} ${from}`)
  })
}
