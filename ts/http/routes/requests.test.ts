import t from "tap"
import { CHAT, SERVERS, startServer } from "../testing/start-server.ts"

for (const name of SERVERS)
  t.test(`${name}: the request history is filtered, and one request is found by its id`, async (t) => {
    const { url, post, server, engine } = await startServer(t, name)
    const get = async (path: string): Promise<unknown> => (await fetch(url + path)).json()
    const answer: unknown = await (await post("/v1/chat/completions", CHAT)).json()
    await (await post("/v1/completions", { prompt: "once" })).text()
    const id = String(Object.getOwnPropertyDescriptor(answer, "id")?.value)

    t.match(await get(`/requests/${id}`), { id, kind: "chat", timeline: { end_ms: Number }, prompt: null })
    t.equal((await fetch(`${url}/requests/none`)).status, 404)
    const count = async (query: string) => {
      const body = await get(`/requests?${query}`)
      const requests: unknown = Object.getOwnPropertyDescriptor(body, "requests")?.value
      return Array.isArray(requests) ? requests.length : -1
    }
    t.same(
      await Promise.all(["", "kind=chat", "status=error", "status=ok,error&limit=1", "status=running"].map(count)),
      [2, 1, 0, 1, 0],
    )
    for (const wrong of ["limit=0", "limit=x", "status=best", "colour=red"]) {
      const response = await fetch(`${url}/requests?${wrong}`)
      t.equal(response.status, 400, wrong)
      t.match(await response.json(), { error: { param: wrong.split("=")[0] } })
    }

    // oxlint-disable-next-line require-yield -- it waits until the client leaves
    engine.script = async function* () {
      await new Promise(() => {})
    }
    const leaving = new AbortController()
    const submitted = engine.nextSubmit()
    const waiting = post("/v1/chat/completions", CHAT, { signal: leaving.signal }).catch(() => null)
    await submitted
    t.equal(await count("status=queued,running"), 1, "a request that has not ended is shown where it is asked for")
    const cancelled = engine.nextCancel()
    leaving.abort()
    await Promise.all([waiting, cancelled])

    server.reportIncident("rank_lost", "rank 1 ended by SIGKILL\nfaked line")
    t.match(await get("/errors"), {
      errors: [{ code: "rank_lost", cause: "rank 1 ended by SIGKILL faked line", cure: /starts again/ }],
    })
  })
