// For tests of tool-call formats: reads an answer in pieces of many lengths and checks that the outcome is the same.

import type { Test } from "tap"
import type { ToolDefinition } from "../../generation.ts"
import { createToolCallStream, toolCallFormatByName } from "./index.ts"

const TOOLS: readonly ToolDefinition[] = [
  { name: "plan", parameters: { properties: { steps: { type: "array", items: { type: "object" } } } } },
  { name: "get_weather", parameters: { properties: { city: { type: "string" }, days: { type: "integer" } } } },
  { name: "set", parameters: { properties: { level: { anyOf: [{ type: "integer" }, { type: "string" }] } } } },
  { name: "get-time", parameters: { properties: { utc: { type: "boolean" }, zone: { type: ["string", "null"] } } } },
]

interface Outcome {
  content: string
  calls: { name: string; arguments: string }[]
  completed: number
}

/** The outcome of an answer that comes in pieces of these lengths; throws if a position is wrong. */
export function read(format: string, text: string, sizes: () => number): Outcome {
  const found = toolCallFormatByName(format)
  if (found === null) throw new Error(format)
  const stream = createToolCallStream(found, TOOLS)
  const out: Outcome = { content: "", calls: [], completed: 0 }
  const take = (events: ReturnType<typeof stream.push>): void => {
    for (const event of events) {
      if (event.type === "content") {
        if (text.slice(event.at, event.at + event.text.length) !== event.text)
          throw new Error(`"${event.text}" is not at ${event.at}`)
        out.content += event.text
      } else if (event.type === "start") out.calls.push({ name: event.name, arguments: "" })
      else {
        const call = out.calls[event.index]
        if (call === undefined) throw new Error(`arguments of call ${event.index} before its name`)
        call.arguments += event.text
      }
    }
  }
  for (let at = 0; at < text.length; ) {
    const size = sizes()
    take(stream.push(text.slice(at, at + size), at))
    at += size
  }
  take(stream.flush())
  out.completed = stream.completed
  return out
}

/** Holds however the text is cut into pieces, also at random. */
export function gives(
  t: Test,
  format: string,
  text: string,
  content: string,
  calls: [string, string][],
  completed?: number,
): void {
  const wanted = {
    content,
    calls: calls.map(([name, json]) => ({ name, arguments: json })),
    completed: completed ?? calls.length,
  }
  for (const size of [1, 2, 3, 7, 11, 5000])
    t.same(
      read(format, text, () => size),
      wanted,
      `${format}, pieces of ${size}`,
    )
  for (const seed of [1, 2, 3, 4, 5, 6])
    t.same(read(format, text, randomSizes(seed)), wanted, `${format}, seed ${seed}`)
}

/** Piece lengths from 1 to 9. */
function randomSizes(seed: number): () => number {
  const next = randomNumbers(seed)
  return () => 1 + next(9)
}

/** Park, Miller: minimal standard generator (1988). */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 48271) % 0x7fffffff
    return state % below
  }
}
