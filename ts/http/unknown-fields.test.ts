import t from "tap"
import { ChatCompletionRequest } from "./schemas/chat-completion.ts"
import { CHAT, startServer } from "./testing/start-server.ts"
import { unknownFields } from "./unknown-fields.ts"

t.test("names below the top level that the schema does not know are found, each once", async (t) => {
  const part = { type: "text", text: "a", cache_control: { type: "ephemeral" } }
  const body = {
    messages: [
      { role: "user", content: [part, part] },
      { role: "assistant", content: "b", reasoning_details: [], tool_calls: null },
    ],
    tools: [{ type: "function", function: { name: "f", parameters: { anything: { goes: 1 } } }, extra: 1 }],
    tool_choice: { type: "function", function: { name: "f", why: 1 } },
    stop: ["a"],
    logit_bias: { "1": 2 },
    top: { level: "is not looked at" },
  }
  t.same(unknownFields(ChatCompletionRequest, body, 16), [
    "messages.content.cache_control",
    "messages.reasoning_details",
    "tools.extra",
    "tool_choice.function.why",
  ])
  t.equal(unknownFields(ChatCompletionRequest, body, 2).length, 2)
  t.same(unknownFields(ChatCompletionRequest, CHAT, 16), [])
})

t.test("an answer names the ignored fields, inner ones too", async (t) => {
  const { post } = await startServer(t, "node")
  const messages = [{ role: "user", content: "hi", cache_control: {} }]
  const response = await post("/v1/chat/completions", { ...CHAT, messages, sparkle: 1 })
  t.equal(response.headers.get("x-ignored-fields"), "sparkle, messages.cache_control")
})
