// Vercel's AI SDK with its OpenAI-compatible provider: ai-sdk.mjs http://127.0.0.1:8080 FOLDER-WITH-NODE_MODULES

import assert from "node:assert/strict"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const [, , address, packages] = process.argv
const require = createRequire(pathToFileURL(join(packages, "package.json")))
const { generateObject, generateText, stepCountIs, streamText, tool } = require("ai")
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible")
const { z } = require("zod")

const WEATHER = {
  Oslo: '{"city": "Oslo", "temperature": -3, "condition": "snowy"}',
  Madrid: '{"city": "Madrid", "temperature": 30, "condition": "clear"}',
}
const provider = createOpenAICompatible({
  name: "mlx-cluster",
  baseURL: `${address}/v1`,
  includeUsage: true,
  supportsStructuredOutputs: true,
})
const settings = { model: provider("tiny-qwen3"), temperature: 0, maxRetries: 0 }
const tools = {
  get_weather: tool({
    description: "Get the current weather for a city",
    inputSchema: z.object({ city: z.string().describe("The city name") }),
    execute: ({ city }) => WEATHER[city],
  }),
}
const weather = { ...settings, tools, stopWhen: stepCountIs(3), prompt: "What is the weather in Oslo and Madrid?" }

function tellsTheWeather(text) {
  assert.match(text, /The weather in Oslo is snowy with -3 degrees\./)
  assert.match(text, /The weather in Madrid is clear with 30 degrees\./)
}

const checks = {
  "generateText answers, thinks apart and counts": async () => {
    const answer = await generateText({ ...settings, prompt: "What is the capital of France?" })
    assert.match(answer.text, /^\s*The capital of France is Paris\.$/)
    assert.match(answer.reasoningText ?? "", /The country is France\./)
    assert.ok(answer.usage.outputTokens > 0)
  },
  "streamText gives parts and the usage": async () => {
    const answer = streamText({ ...settings, prompt: "What is the capital of France?" })
    let text = ""
    for await (const part of answer.textStream) text += part
    assert.match(text, /The capital of France is Paris\.$/)
    assert.ok((await answer.usage).inputTokens > 0)
    // Tokens that wait for a busy client come as one part, never a whole story.
    const story = streamText({ ...settings, temperature: 1, seed: 1, prompt: "Tell me a story." })
    const parts = []
    for await (const part of story.textStream) parts.push(part)
    assert.ok(parts.length > 3, JSON.stringify(parts))
  },
  "generateText calls the tool for both cities and tells what came back": async () => {
    tellsTheWeather((await generateText(weather)).text)
  },
  "streamText does so too": async () => {
    const answer = streamText(weather)
    await answer.consumeStream()
    tellsTheWeather(await answer.text)
  },
  "generateObject gives an object of its schema": async () => {
    const schema = z.object({ city: z.string().max(20), degrees: z.number().int().min(-50).max(50) })
    for (const temperature of [0, 1.5]) {
      const { object } = await generateObject({
        ...settings,
        temperature,
        seed: 2,
        schema,
        prompt: "How warm is Oslo?",
      })
      assert.equal(typeof object.degrees, "number")
    }
  },
  "a tool that must be called is": async () => {
    const { toolCalls } = await generateText({ ...settings, tools, toolChoice: "required", prompt: "Tell me a story." })
    assert.equal(toolCalls[0]?.toolName, "get_weather")
  },
}

let failed = 0
for (const [name, check] of Object.entries(checks)) {
  try {
    await check()
    console.log(`ok - ${name}`)
  } catch (error) {
    failed += 1
    console.log(`not ok - ${name}`)
    console.error(error)
  }
}
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
