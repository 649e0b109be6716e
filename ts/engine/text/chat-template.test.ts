import t from "tap"
import type { ChatMessage } from "../generation.ts"
import { type ChatPrompt, createChatTemplate } from "./chat-template.ts"

const CHATML =
  "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

function render(source: string, prompt: Partial<ChatPrompt>, named: Record<string, string> = {}): string {
  const template = createChatTemplate({
    chatTemplates: { default: source, ...named },
    specialTokens: { bos_token: "<s>" },
    controlTexts: ["<|im_start|>", "<|im_end|>"],
  })
  return template.render({ kind: "chat", messages: [{ role: "user", content: "Hi" }], ...prompt }).text
}

t.test("messages are rendered with the model's tokens and the prompt for an answer", async (t) => {
  t.equal(render(CHATML, {}), "<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
})

t.test("the last message is continued where it ends", async (t) => {
  const messages: ChatMessage[] = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello th" },
  ]
  const wanted = "<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello th"
  t.equal(render(CHATML, { messages, continueFinalMessage: true }), wanted)
  t.throws(() => render("{{ messages[0].content }}", { messages, continueFinalMessage: true }), {
    code: "invalid_template",
  })
})

t.test("tools have OpenAI's shape, arguments are objects, results know their tool", async (t) => {
  const source =
    "{{ tools | tojson }}|{% for m in messages %}{% for c in m.tool_calls or [] %}" +
    "{{ c.function.name }} {{ c.function.arguments.a.b }}{% endfor %}{% if m.role == 'tool' %}={{ m.name }}{% endif %}{% endfor %}"
  const text = render(source, {
    tools: [{ name: "f", description: "d", parameters: { type: "object" } }],
    messages: [
      { role: "assistant", content: "", toolCalls: [{ id: "1", name: "f", arguments: '{"a": {"b": "deep"}}' }] },
      { role: "tool", content: "r", toolCallId: "1" },
    ],
  })
  const tool = '{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}'
  t.equal(text, `[${tool}]|f deep=f`)
})

t.test("without tools the variable is none, and with them a template for tools is preferred", async (t) => {
  t.equal(render("{% if tools is none %}none{% endif %}", {}), "none")
  t.equal(render("plain", { tools: [{ name: "f" }] }, { tool_use: "with tools" }), "with tools")
  t.equal(render("plain", {}, { tool_use: "with tools" }), "plain")
})

t.test("options reach the template and cannot replace what is fixed", async (t) => {
  const templateOptions = { enable_thinking: false, messages: [], bos_token: "evil", raise_exception: 1 }
  const source = "{{ bos_token }}{{ messages | length }}{% if enable_thinking is false %}off{% endif %}"
  t.equal(render(source, { templateOptions }), "<s>1off")
})

t.test("a template that raises, cannot be read or is absent is an error in words", async (t) => {
  t.throws(() => render("{{ raise_exception('roles must alternate') }}", {}), {
    code: "invalid_template",
    message: /roles must alternate/,
    param: "messages",
  })
  t.throws(() => render("{% if %}", {}), { code: "invalid_template" })
  const none = createChatTemplate({ chatTemplates: {}, specialTokens: {}, controlTexts: [] })
  t.throws(() => none.render({ kind: "chat", messages: [] }), { message: /no chat template/ })
})

t.test("the day of the template is today's", async (t) => {
  t.match(render("{{ strftime_now('%Y') }}", {}), /^20\d\d$/)
})
