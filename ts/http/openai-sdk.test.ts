// The official Node client against both servers: what it parses, we wrote right.

import OpenAI from "openai"
import t from "tap"
import { EngineError } from "../engine/index.ts"
import { createScriptedEngine } from "./testing/scripted-engine.ts"
import { SERVERS, startServer } from "./testing/start-server.ts"

const model = "org/scripted-1b"
const messages = [{ role: "user" as const, content: "What is the capital of France?" }]

for (const name of SERVERS) {
  t.test(`${name}: the OpenAI client chats, streams, stops, seeds and counts`, async (t) => {
    const { url, engine } = await startServer(t, name, { keys: ["sk-test"] })
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-test", maxRetries: 0 })

    const answer = await client.chat.completions.create({ model, messages, seed: 7, temperature: 0 })
    t.equal(answer.choices[0]?.message.content, "Paris is the capital of France.")
    t.equal(answer.usage?.total_tokens, 12)
    t.match(answer._request_id, /^req_/)
    t.match(engine.submitted[0]?.sampling, { seed: 7n, temperature: 0 })

    const stream = await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stop: ["capital"],
      stream_options: { include_usage: true },
    })
    let text = ""
    let finish: string | null = null
    let tokens = 0
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ""
      finish = chunk.choices[0]?.finish_reason ?? finish
      tokens = chunk.usage?.completion_tokens ?? tokens
    }
    t.same([text, finish, tokens], ["Paris is the", "stop", 3])

    const legacy = await client.completions.create({ model, prompt: "The capital", max_tokens: 1 })
    t.match(legacy.choices[0], { text: "Paris", finish_reason: "length" })
    const models = await client.models.list()
    t.equal(models.data[0]?.id, model)
    t.equal((await client.models.retrieve(model)).id, model)
  })

  t.test(`${name}: the OpenAI client's helper assembles a streamed answer, and leaving cancels it`, async (t) => {
    const { url, engine } = await startServer(t, name)
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 })
    const whole = await client.chat.completions.stream({ model, messages }).finalChatCompletion()
    t.equal(whole.choices[0]?.message.content, "Paris is the capital of France.")

    engine.script = async function* () {
      yield [{ type: "text", choice: 0, text: "Pa", tokens: 1 }]
      await new Promise(() => {})
    }
    const cancelled = engine.nextCancel()
    const stream = await client.chat.completions.create({ model, messages, stream: true })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === "Pa") break
    t.match(await cancelled, /^chatcmpl-/)
  })

  t.test(`${name}: errors become the client's own error classes`, async (t) => {
    const { url, engine } = await startServer(t, name, { keys: ["sk-test"] })
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-test", maxRetries: 0 })
    const wrongKey = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-other", maxRetries: 0 })
    await t.rejects(wrongKey.models.list(), { message: /^401 / })
    await t.rejects(client.chat.completions.create({ model: "none", messages }), { message: /^404 / })
    await t.rejects(client.chat.completions.create({ model, messages, temperature: 5 }), {
      message: /^400 'temperature' must be/,
    })
    engine.script = createScriptedEngine(async function* () {
      yield [{ type: "text", choice: 0, text: "Pa", tokens: 1 }]
      yield [{ type: "error", error: new EngineError("engine_lost") }]
    }).script
    const stream = await client.chat.completions.create({ model, messages, stream: true })
    const read = async () => {
      for await (const chunk of stream) t.ok(chunk)
    }
    await t.rejects(read(), { code: "engine_lost" })
  })

  t.test(`${name}: the client's retries get through a server that was full for a moment`, async (t) => {
    const { url, engine } = await startServer(t, name)
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 2 })
    engine.setState("lost", "restarting")
    setImmediate(() => engine.setState("ready"))
    const answer = await client.chat.completions.create({ model, messages })
    t.equal(answer.choices[0]?.finish_reason, "stop")
  })
}
