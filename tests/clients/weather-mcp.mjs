// The weather tool that tiny-qwen3 knows, as an MCP server over stdio, for agents: its name "get" and the tool's name
// "weather" become get_weather.

import { createInterface } from "node:readline"

const WEATHER = {
  Oslo: '{"city": "Oslo", "temperature": -3, "condition": "snowy"}',
  Madrid: '{"city": "Madrid", "temperature": 30, "condition": "clear"}',
}
const TOOL = {
  name: "weather",
  description: "Get the current weather for a city",
  inputSchema: {
    type: "object",
    properties: {
      city: { type: "string", description: "The city name" },
      unit: { type: "string", enum: ["celsius", "fahrenheit"] },
    },
    required: ["city"],
  },
}
const METHODS = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "get", version: "1.0.0" },
  }),
  ping: () => ({}),
  "tools/list": () => ({ tools: [TOOL] }),
  "tools/call": ({ arguments: { city } }) => ({ content: [{ type: "text", text: WEATHER[city] ?? "unknown city" }] }),
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined) continue // a notification
  const answer = METHODS[method]
  const body = answer ? { result: answer(params) } : { error: { code: -32601, message: "no such method" } }
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...body })}\n`)
}
