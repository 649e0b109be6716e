import t from "tap"
import { startServer } from "../testing/start-server.ts"

t.test("models are listed with their facts, aliases beside them", async (t) => {
  const aliases = { "gpt-4o": "org/scripted-1b", local: "org/scripted-1b", gone: "org/other" }
  const { url } = await startServer(t, "node", { aliases })
  const list: { data: { id: string }[] } = JSON.parse(await (await fetch(`${url}/v1/models`)).text())
  t.same(
    list.data.map(({ id }) => id),
    ["org/scripted-1b", "gpt-4o", "local"],
  )
  t.match(list.data[1], {
    object: "model",
    root: "org/scripted-1b",
    context_length: 64,
    max_model_len: 64,
    capabilities: ["completion", "chat", "tools"],
  })
  const one = await fetch(`${url}/v1/models/gpt-4o`)
  t.match(await one.json(), { id: "gpt-4o", root: "org/scripted-1b" })
  t.match(await (await fetch(`${url}/v1/models/org%2Fscripted-1b`)).json(), { id: "org/scripted-1b" })
  const unknown = await fetch(`${url}/v1/models/gone`)
  t.equal(unknown.status, 404)
  t.match(await unknown.json(), { error: { code: "model_not_found", param: "model" } })
})
