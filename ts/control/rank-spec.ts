// What a rank process is told when it starts: one line of JSON on its standard input, which then stays open for as long
// as the front lives. The secret travels here and nowhere else.

import type { Readable } from "node:stream"
import { Type, type Static } from "typebox"
import { Compile } from "typebox/compile"
import { ControlError } from "./errors.ts"
import { MAX_SPEC_BYTES, SPEC_TIMEOUT_MS } from "./limits.ts"
import type { Address } from "./transport.ts"

export interface RankSpec {
  readonly rank: number
  readonly size: number
  /** Generation of the rank group: a process of an older one is refused. */
  readonly epoch: number
  readonly coordinator: Address
  readonly secret: Uint8Array
  /** Whatever the composition root wants the rank to know: opaque here. */
  readonly options: unknown
}

const Line = Type.Object({
  rank: Type.Integer({ minimum: 0 }),
  size: Type.Integer({ minimum: 1 }),
  epoch: Type.Integer({ minimum: 0 }),
  coordinator: Type.Object({ host: Type.String(), port: Type.Integer({ minimum: 1, maximum: 65_535 }) }),
  secret: Type.String({ pattern: "^([0-9a-f]{2})+$" }),
  options: Type.Unknown(),
})
const lineValidator = Compile(Line)

export function encodeRankSpec(spec: RankSpec): string {
  const line: Static<typeof Line> = { ...spec, secret: Buffer.from(spec.secret).toString("hex") }
  return `${JSON.stringify(line)}\n`
}

/** Reads the line, and leaves the stream flowing. `onEnd`: the front is gone. */
export function readRankSpec(input: Readable, onEnd: () => void): Promise<RankSpec> {
  return new Promise((resolve, reject) => {
    let text = ""
    let settled = false
    const fail = (reason: string, cause?: unknown) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      reject(new ControlError("launch_failed", `${reason}; a rank is started by mlx-cluster serve, not by hand`, cause))
    }
    const timer = setTimeout(() => fail("no start line on standard input"), SPEC_TIMEOUT_MS)
    const gone = () => {
      if (settled) onEnd()
      fail("standard input ended before the start line")
    }
    input.on("end", gone)
    input.on("error", gone)
    input.setEncoding("utf8")
    input.on("data", (chunk: string) => {
      // What follows the line means nothing; it is read so that the end is seen.
      if (settled) return
      text += chunk
      const end = text.indexOf("\n")
      if (end < 0) {
        if (text.length > MAX_SPEC_BYTES) fail("the start line is too long")
        return
      }
      try {
        const value: unknown = JSON.parse(text.slice(0, end))
        if (!lineValidator.Check(value)) {
          const first = lineValidator.Errors(value)[0]
          fail(`the start line is wrong: ${first?.instancePath ?? ""} ${first?.message ?? ""}`)
          return
        }
        settled = true
        clearTimeout(timer)
        text = ""
        resolve({ ...value, secret: Buffer.from(value.secret, "hex") })
      } catch (error) {
        fail("the start line is not JSON", error)
      }
    })
  })
}
