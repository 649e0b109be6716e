import t from "tap"
import { ChatCompletionRequest } from "./schemas/chat-completion.ts"
import { CompletionRequest } from "./schemas/completion.ts"
import { createValidator } from "./validation.ts"

const chat = createValidator(ChatCompletionRequest)
const completion = createValidator(CompletionRequest)
const messages = [{ role: "user", content: "hi" }]

t.test("a good request passes unchanged, nulls and unknown fields included", (t) => {
  const body = { model: "m", messages, temperature: null, stop: ["a", "b"], tools: [], unknown: { x: 1 } }
  t.equal(chat(body), body)
  for (const prompt of ["a", ["a", "b"], [1, 2], [[1], [2, 3]]]) t.doesNotThrow(() => completion({ prompt }))
  t.end()
})

const wrong: readonly [name: string, body: unknown, code: string, param: string | null, text: RegExp][] = [
  ["no object", [], "invalid_type", null, /must be a JSON object/],
  ["a missing field", {}, "missing_required_parameter", "messages", /'messages' is missing/],
  ["a missing field inside", { messages: [{}] }, "missing_required_parameter", "messages.0.role", /is missing/],
  ["a wrong type", { messages, model: 1 }, "invalid_type", "model", /must be string, not number/],
  [
    "a wrong type among several",
    { messages, temperature: "1" },
    "invalid_type",
    "temperature",
    /number or null, not str/,
  ],
  ["a number out of range", { messages, temperature: 3 }, "invalid_value", "temperature", /<= 2/],
  ["no whole number", { messages, max_tokens: 1.5 }, "invalid_type", "max_tokens", /integer/],
  ["an unknown role", { messages: [{ role: "x", content: "" }] }, "invalid_value", "messages.0.role", /"developer"/],
  ["a role of a wrong type", { messages: [{ role: 5 }] }, "invalid_type", "messages.0.role", /string, not number/],
  ["an empty list", { messages: [] }, "invalid_value", "messages", /fewer than 1/],
  [
    "an image part",
    { messages: [{ role: "user", content: [{ type: "text", text: "a" }, { type: "image_url" }] }] },
    "invalid_value",
    "messages.0.content.1.type",
    /must be "text" or "refusal"/,
  ],
  [
    "a content of a wrong type",
    { messages: [{ role: "user", content: 5 }] },
    "invalid_type",
    "messages.0.content",
    /arr/,
  ],
  [
    "a tool of another type",
    { messages, tools: [{ type: "x", function: { name: "f" } }] },
    "invalid_value",
    "tools.0.type",
    /"function"/,
  ],
  ["a stop entry of a wrong type", { messages, stop: ["a", 1] }, "invalid_type", "stop.1", /string/],
  ["an empty stop string", { messages, stop: "" }, "invalid_value", "stop", /character/],
  ["too many choices", { messages, n: 1000 }, "invalid_value", "n", /<= 16/],
  [
    "a fault behind many others",
    { messages: Array.from({ length: 20 }, () => ({ role: "x", content: [{ type: "y" }] })), temperature: 9 },
    "invalid_value",
    "messages.0.content.0.type",
    /"text"/,
  ],
]

for (const [name, body, code, param, text] of wrong)
  t.test(`${name} is refused with the field's path and a sentence`, (t) => {
    try {
      chat(body)
      t.fail("passed")
    } catch (error) {
      t.match(error, { code, param, message: text })
    }
    t.end()
  })
