// Two hundred requests as clients send them: streamed and whole, several answers, tools, cancelled, failing, refused. Keeps
// the client's own tally of them.

import { performance } from "node:perf_hooks"
import { WEATHER_QUESTION, WEATHER_TOOL } from "./weather-tool.ts"

/** Of each kind; the first five are the 200 that begin. */
const COUNTS = { streamed: 80, whole: 40, several: 20, tools: 20, cancelled: 20, failing: 20, refused: 10 } as const
const CLIENTS = 3
const CHOICES = 2
/** Longer than the context of fixtures/tiny-qwen3. */
const TOO_LONG_WORDS = 2500
/** Enough that the first token waits for a prefill that is worth measuring. */
const PROMPT_WORDS = 120
const ANSWER_MS = 60_000

export interface Tally {
  readonly ok: number
  readonly failed: number
  readonly cancelled: number
  readonly refused: number
  readonly promptTokens: number
  /** Of requests that went well. */
  readonly completionTokens: number
  /** Milliseconds to the first text of each streamed answer, by the id of the answer. */
  readonly firstTextMs: ReadonlyMap<string, number>
  /** What was not as it should be. */
  readonly wrong: readonly string[]
}

type Kind = keyof typeof COUNTS

/** The kinds in a fixed order that mixes them. */
function order(): readonly Kind[] {
  const left = new Map<Kind, number>(Object.entries(COUNTS) as [Kind, number][]) // keys of a literal
  const kinds: Kind[] = []
  while (left.size > 0)
    for (const [kind, count] of left) {
      kinds.push(kind)
      if (count === 1) left.delete(kind)
      else left.set(kind, count - 1)
    }
  return kinds
}

const words = (seed: number, count: number): string =>
  Array.from({ length: count }, (_, index) => `w${(seed * 31 + index * 7) % 997}`).join(" ")

export async function askMixed(address: string): Promise<Tally> {
  const tally = { ok: 0, failed: 0, cancelled: 0, refused: 0, promptTokens: 0, completionTokens: 0 }
  const firstTextMs = new Map<string, number>()
  const wrong: string[] = []

  const send = async (id: string, content: string, more: object, signal?: AbortSignal): Promise<Response> =>
    await fetch(`${address}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": id },
      body: JSON.stringify({
        messages: [{ role: "user", content }],
        temperature: 0,
        reasoning_effort: "none",
        max_tokens: 32,
        ...more,
      }),
      signal: AbortSignal.any([AbortSignal.timeout(ANSWER_MS), ...(signal === undefined ? [] : [signal])]),
    })
  const count = (usage: unknown) => {
    const { prompt_tokens: prompt, completion_tokens: completion } = Object(usage)
    tally.promptTokens += Number(prompt)
    tally.completionTokens += Number(completion)
    tally.ok++
  }
  const whole = async (id: string, content: string, more: object = {}) => {
    const response = await send(id, content, more)
    const body: unknown = await response.json()
    if (response.status === 200) count(Object(body).usage)
    else wrong.push(`${id}: ${response.status} ${JSON.stringify(body)}`)
  }
  const refusedWith = async (id: string, content: string, more: object, key: "failed" | "refused") => {
    const response = await send(id, content, more)
    await response.text()
    if (response.status === 400) tally[key]++
    else wrong.push(`${id}: ${response.status}, not 400`)
  }

  const work: Readonly<Record<Kind, (id: string, turn: number) => Promise<void>>> = {
    async streamed(id, turn) {
      const beganMs = performance.now()
      const content = `${words(turn, PROMPT_WORDS)} Count from 1 to ${5 + (turn % 9)}.`
      const response = await send(id, content, { stream: true, stream_options: { include_usage: true } })
      let text = ""
      let firstMs: number | null = null
      const decoder = new TextDecoder()
      for await (const part of response.body ?? []) {
        text += decoder.decode(part, { stream: true })
        if (firstMs === null && /"content":"[^"]/.test(text)) firstMs = performance.now() - beganMs
      }
      const answer = /"id":"([^"]+)"/.exec(text)?.[1]
      if (firstMs !== null && answer !== undefined) firstTextMs.set(answer, firstMs)
      const usage = /"usage":(\{.*\})\}\n\ndata: \[DONE\]/.exec(text)?.[1]
      if (usage === undefined) wrong.push(`${id}: ${text.slice(-200)}`)
      else count(JSON.parse(usage))
    },
    whole: (id, turn) => whole(id, `What is ${turn} + 4?`),
    several: (id, turn) => whole(id, `Count from 1 to ${turn % 20}.`, { n: CHOICES, temperature: 0.8, seed: turn }),
    tools: (id) => whole(id, WEATHER_QUESTION, { tools: [WEATHER_TOOL], max_tokens: 120 }),
    async cancelled(id) {
      const leave = new AbortController()
      const response = await send(id, "Count from 1 to 200.", { stream: true, max_tokens: 600 }, leave.signal)
      const reader = response.body?.getReader()
      let text = ""
      const decoder = new TextDecoder()
      while (!/"content":"[^"]/.test(text)) {
        const read = await reader?.read()
        if (read === undefined || read.done) break
        text += decoder.decode(read.value, { stream: true })
      }
      leave.abort()
      tally.cancelled++
    },
    failing: (id) => refusedWith(id, words(1, TOO_LONG_WORDS), {}, "failed"),
    refused: (id) => refusedWith(id, "x", { temperature: 99 }, "refused"),
  }

  const kinds = order()
  let next = 0
  const client = async () => {
    for (let turn = next++; turn < kinds.length; turn = next++) {
      const kind = kinds[turn]
      if (kind !== undefined) await work[kind](`${kind}-${turn}`, turn)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return { ...tally, firstTextMs, wrong }
}
