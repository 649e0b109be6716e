import t from "tap"
import type { ChatMessage, ChatRole } from "../generation.ts"
import { createChatTemplate } from "./chat-template.ts"
import { resultsAfterCalls } from "./message-order.ts"

const say = (role: ChatRole, content: string): ChatMessage => ({ role, content })
const calling = (...ids: readonly string[]): ChatMessage => ({
  role: "assistant",
  content: "",
  toolCalls: ids.map((id) => ({ id, name: "f", arguments: "{}" })),
})
const result = (id: string): ChatMessage => ({ role: "tool", content: `result of ${id}`, toolCallId: id })

t.test("results stand in the order of the calls, before what else was said in between", async (t) => {
  const [question, calls, answer] = [say("user", "q"), calling("a", "b", "c"), say("assistant", "done")]
  const more = [calling("d"), result("d"), say("user", "and?")]
  t.same(
    resultsAfterCalls([question, calls, result("c"), say("user", "hurry"), result("a"), result("b"), answer, ...more]),
    [question, calls, result("a"), result("b"), result("c"), say("user", "hurry"), answer, ...more],
  )
  const strange = [question, result("x"), calls, result("b"), result("x")]
  t.same(resultsAfterCalls(strange), strange, "a result of no call stays where it is")
})

/** Asks for turns, as Mistral's and Gemma's templates do. */
const strict = (system: string): string =>
  "{%- set ns = namespace(user=true) -%}{%- for m in messages -%}" +
  `{%- if m.role == 'system' -%}${system}` +
  "{%- elif m.role == 'tool' or m.tool_calls -%}[{{ m.role }} {{ m.content }}]" +
  "{%- elif (m.role == 'user') != ns.user -%}{{ raise_exception('roles must alternate') }}" +
  "{%- else -%}{%- set ns.user = not ns.user -%}[{{ m.role }} {{ m.content }}]{%- endif -%}{%- endfor -%}"

function render(template: string, messages: readonly ChatMessage[]): string {
  const chatTemplates = { default: template }
  return createChatTemplate({ chatTemplates, specialTokens: {}, controlTexts: [] }).render({ kind: "chat", messages })
    .text
}

t.test("a template that wants turns gets them, whatever the order of roles", async (t) => {
  const one = strict(
    "{%- if not loop.first -%}{{ raise_exception('system first') }}{%- endif -%}[system {{ m.content }}]",
  )
  const none = strict("{{ raise_exception('no system') }}")
  const messages = [say("system", "s1"), say("system", "s2"), say("user", "a"), say("user", "b"), say("assistant", "c")]
  t.equal(render(one, messages), "[system s1\n\ns2][user a\n\nb][assistant c]")
  t.equal(render(none, messages), "[user s1\n\ns2\n\na\n\nb][assistant c]")
  const late = [...messages, say("system", "now"), say("user", "d")]
  t.equal(render(one, late), "[system s1\n\ns2][user a\n\nb][assistant c][user now\n\nd]")
  t.throws(() => render("{{ raise_exception('never') }}", messages), { code: "invalid_template", message: /never/ })
})

t.test("a template that takes any order sees the messages as they are", async (t) => {
  const any = "{%- for m in messages -%}[{{ m.role }} {{ m.content }}]{%- endfor -%}"
  t.equal(render(any, [say("user", "a"), say("system", "s"), say("user", "b")]), "[user a][system s][user b]")
})
