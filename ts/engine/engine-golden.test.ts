import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import t from "tap"
import type { ChatMessage, Engine, EngineState, GenerationEvent, GenerationRequest, ToolDefinition } from "./index.ts"
import { createEngine, createRankHost, createTextPool, openModelFiles } from "./index.ts"

const TINY = fileURLToPath(new URL("../../../fixtures/tiny-qwen3", import.meta.url))

interface GoldenCase {
  readonly id: string
  readonly messages: readonly ChatMessage[]
  readonly tools: readonly { readonly function: ToolDefinition }[] | null
  readonly enable_thinking: boolean
  readonly prompt_ids: readonly number[]
  readonly output_ids: readonly number[]
  readonly text: string
}
const golden: { cases: readonly GoldenCase[] } = JSON.parse(readFileSync(`${TINY}/golden.json`, "utf8"))
/** One of each kind that the text half treats in its own way; golden.test.ts has the ids of all. */
const IDS = ["hello-thinking", "capital", "echo-unicode", "list", "tool", "tool-thinking", "tool-parallel", "tool-none"]
const CASES = golden.cases.filter((one) => IDS.includes(one.id))

const GREEDY = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1n, ignoreEos: false }

function reached(engine: Engine, state: EngineState): Promise<void> {
  return new Promise((resolve) => {
    engine.onStatus((status) => {
      if (status.state === state) resolve()
    })
    if (engine.status().state === state) resolve()
  })
}

function ask(
  engine: Engine,
  request: Pick<GenerationRequest, "prompt"> & Partial<GenerationRequest>,
): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = []
  return new Promise((resolve) => {
    const whole = { id: "r", model: "tiny", sampling: GREEDY, maxTokens: 512, stop: [], choices: 1, ...request }
    engine.submit(whole, (batch) => {
      events.push(...batch)
      const last = events.at(-1)?.type
      if (last === "done" || last === "error") resolve(events)
    })
  })
}

const joined = (events: readonly GenerationEvent[], type: "text" | "reasoning"): string =>
  events.flatMap((event) => (event.type === type ? [event.text] : [])).join("")

t.test("golden conversations, all at once, through both halves, say what the reference says", async (t) => {
  const host = createRankHost({ device: "cpu", numeric: "fp32", kvBytes: 2 ** 27, threads: 1 })
  const textPool = createTextPool({ threads: 1, deadlineMs: 60_000 })
  const files = await openModelFiles(TINY)
  const engine = createEngine({ link: host.link, models: [{ id: "tiny", files }], textPool })
  t.teardown(async () => {
    await engine.close()
    await host.close()
    await textPool.close()
  })
  await reached(engine, "ready")
  await Promise.all(
    CASES.map(async (one) => {
      const tools = (one.tools ?? []).map((tool) => tool.function)
      const templateOptions = { enable_thinking: one.enable_thinking }
      const messages = one.messages.map((message) => ({ ...message, content: message.content ?? "" }))
      const events = await ask(engine, { prompt: { kind: "chat", messages, tools, templateOptions } })
      const [, thought, content] = /^(?:<think>\n([\s\S]*?)\n<\/think>\n\n)?([\s\S]*)$/.exec(one.text) ?? []
      t.equal(joined(events, "reasoning"), thought ?? "", `${one.id}: reasoning`)
      const calls = Array.from((content ?? "").matchAll(/<tool_call>\n(.*)\n<\/tool_call>/g), ([, json]) =>
        JSON.parse(json ?? ""),
      )
      const starts = events.flatMap((event) => (event.type === "tool_call" && event.name !== undefined ? [event] : []))
      t.same(
        starts.map((start) => ({
          name: start.name,
          arguments: JSON.parse(
            events
              .flatMap((event) =>
                event.type === "tool_call" && event.index === start.index ? [event.argumentsDelta] : [],
              )
              .join(""),
          ),
        })),
        calls,
        `${one.id}: calls`,
      )
      if (calls.length === 0) t.equal(joined(events, "text"), content, `${one.id}: text`)
      t.match(events.at(-2), { type: "finished", reason: calls.length > 0 ? "tool_calls" : "stop" })
      const done = events.at(-1)
      t.match(done, {
        type: "done",
        usage: { promptTokens: one.prompt_ids.length, completionTokens: one.output_ids.length },
      })
    }),
  )
})
