import t from "tap"
import { CHAT, startServer } from "../testing/start-server.ts"

t.test("a text, and a whole chat request, become tokens", async (t) => {
  const { post } = await startServer(t, "node")
  const text = await post("/tokenize", { prompt: "ab" })
  t.equal(text.status, 200)
  const seen = Buffer.from(JSON.stringify({ kind: "text", text: "ab", bare: false }))
  t.same(await text.json(), { count: seen.length, max_model_len: 64, tokens: [...seen] })
  const bare = await (await post("/tokenize", { prompt: "ab", add_special_tokens: false })).text()
  t.match(JSON.parse(bare), { count: seen.length - 1 })
  const chat: { tokens: number[] } = JSON.parse(await (await post("/tokenize", CHAT)).text())
  t.match(JSON.parse(Buffer.from(chat.tokens).toString()), { kind: "chat", messages: CHAT.messages })
})

t.test("tokens become text", async (t) => {
  const { post } = await startServer(t, "node")
  const answer = await post("/detokenize", { model: "org/scripted-1b", tokens: [104, 105] })
  t.same(await answer.json(), { prompt: "hi" })
})

t.test("what is no token, text or model is refused by name", async (t) => {
  const { post } = await startServer(t, "node")
  const cases: [string, object, number, string][] = [
    ["/tokenize", {}, 400, "prompt"],
    ["/tokenize", { messages: [] }, 400, "messages"],
    ["/tokenize", { prompt: "a", model: "other" }, 404, "model"],
    ["/detokenize", { tokens: [1, 256] }, 400, "tokens.1"],
    ["/detokenize", { tokens: [-1] }, 400, "tokens.0"],
    ["/detokenize", {}, 400, "tokens"],
  ]
  for (const [path, body, status, param] of cases) {
    const response = await post(path, body)
    t.equal(response.status, status, JSON.stringify(body))
    t.match(await response.json(), { error: { param } })
  }
})
