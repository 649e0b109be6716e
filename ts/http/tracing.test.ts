// Traces against a small OTLP receiver: what it is sent for requests that went well, failed, and came with a parent.

import { createServer } from "node:http"
import t from "tap"
import { EngineError } from "../engine/index.ts"
import { createScriptedEngine } from "./testing/scripted-engine.ts"
import { CHAT, startServer } from "./testing/start-server.ts"
import { createTracer } from "./tracing.ts"

interface Span {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status: { readonly code: number; readonly message?: string }
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[]
}

/** OTLP's JSON: a resource, its scopes, their spans. */
interface ExportBody {
  readonly resourceSpans: readonly {
    readonly resource: Pick<Span, "attributes">
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[]
  }[]
}

async function startReceiver(t: { teardown(close: () => void): void }) {
  const bodies: ExportBody[] = []
  const paths = new Set<string>()
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (part: string) => (body += part))
    request.on("end", () => {
      paths.add(`${request.method} ${request.url}`)
      bodies.push(JSON.parse(body))
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    paths,
    resources: () => bodies.flatMap((body) => body.resourceSpans.map(({ resource }) => resource)),
    spans: () =>
      bodies.flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      ),
  }
}

const attributesOf = ({ attributes }: Pick<Span, "attributes">) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
const nanoseconds = (span: Span) => BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)

t.test("each ended request is a span by the GenAI conventions, with its phases inside", async (t) => {
  const receiver = await startReceiver(t)
  const engine = createScriptedEngine()
  const { post, server } = await startServer(t, "node", { otlpEndpoint: `${receiver.url}/`, version: "1.2.3" }, engine)
  const traceId = "0af7651916cd43dd8448eb211c80319c"
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`
  await (await post("/v1/chat/completions", { ...CHAT, max_tokens: 20 }, { headers: { traceparent } })).text()
  await (await post("/v1/chat/completions", { ...CHAT, stream: true })).text()
  engine.script = async function* () {
    yield [{ type: "queued", promptTokens: 5 }]
    yield [{ type: "error", error: new EngineError("engine_lost") }]
  }
  await (await post("/v1/completions", { model: CHAT.model, prompt: "secret words" })).text()
  await server.close()

  t.same([...receiver.paths], ["POST /v1/traces"])
  const [resource] = receiver.resources()
  t.match(attributesOf(resource ?? { attributes: [] }), {
    "service.name": "mlx-jaccl-cluster",
    "service.version": "1.2.3",
  })
  const spans = receiver.spans()
  const [first, second, failed, ...others] = spans.filter(({ kind }) => kind === 2)
  t.same(others, [], "a server span a request")
  if (first === undefined || second === undefined || failed === undefined)
    throw new Error("three requests, three spans")
  t.match(first, { name: "chat org/scripted-1b", traceId, parentSpanId: "b7ad6b7169203331" })
  t.match(attributesOf(first), {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "org/scripted-1b",
    "gen_ai.usage.input_tokens": 5,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.usage.cache_read.input_tokens": 2,
    "gen_ai.request.max_tokens": 20,
    "gen_ai.response.finish_reasons": { values: [{ stringValue: "stop" }] },
  })
  const phases = spans.filter(({ parentSpanId }) => parentSpanId === first.spanId)
  t.same(
    phases.map(({ name }) => name),
    ["tokenize", "queue", "prefill", "decode"],
  )
  t.equal(
    phases.reduce((sum, span) => sum + nanoseconds(span), 0n),
    nanoseconds(first),
    "the phases fill the request",
  )
  t.not(second.traceId, traceId, "without a parent a trace of its own")
  t.notOk(second.parentSpanId)
  t.match(failed, { name: "text_completion org/scripted-1b", status: { code: 2, message: "engine_lost" } })
  t.match(attributesOf(failed), { "error.type": "engine_lost" })
  t.notMatch(JSON.stringify(spans), /secret|Paris|capital/, "what was said is in no trace")
})

t.test("a receiver that is away costs a line in the log and no answer", async (t) => {
  const { post, server, lines } = await startServer(t, "node", { otlpEndpoint: "http://127.0.0.1:9" })
  t.equal((await post("/v1/chat/completions", CHAT)).status, 200)
  await server.close()
  t.match(
    lines.filter((line) => line.includes("traces")),
    [/traces cannot be sent to http:\/\/127\.0\.0\.1:9/],
  )
})

t.test("an endpoint that is no address is refused at the start", async (t) => {
  t.throws(() => createTracer({ endpoint: "localhost:4318", version: "1", log: () => {} }), /is no address/)
})
