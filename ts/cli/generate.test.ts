import type { ServerResponse } from "node:http"
import t from "tap"
import { runProgram, startTestServer } from "./testing/run-program.ts"

const delta = (fields: Readonly<Record<string, unknown>>, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: fields, finish_reason: finish }] })}\n\n`

/** A server whose chat answers as given; resolves with what it was asked. */
async function chatServer(answer: (response: ServerResponse) => void) {
  const asked: unknown[] = []
  const server = await startTestServer((request, body, response) => {
    if (request.url === "/v1/models") return response.end(JSON.stringify({ data: [{ id: "the-model" }] }))
    asked.push(JSON.parse(body))
    return answer(response)
  })
  return { ...server, asked }
}

function paris(response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "text/event-stream" })
  response.write(": keep-alive\n\n")
  response.write(delta({ reasoning_content: "hm" }))
  response.write(delta({ content: "Par" }))
  response.write(delta({ content: "is é" }))
  response.write(delta({}, "stop"))
  response.end(`data: ${JSON.stringify({ choices: [], usage: { completion_tokens: 3 } })}\n\ndata: [DONE]\n\n`)
}

t.test("generate streams the answer to standard output and nothing else", async (t) => {
  const server = await chatServer(paris)
  t.teardown(() => server.close())
  const { code, stdout, stderr } = await runProgram(["generate", "--url", server.url, "Capital", "of France?"])
  t.equal(code, 0)
  t.equal(stdout, "Paris é\n")
  t.equal(stderr, "")
  t.match(server.asked, [
    { model: "the-model", stream: true, messages: [{ role: "user", content: "Capital of France?" }] },
  ])
})

t.test("generate passes its options on, and leaves out what was not given", async (t) => {
  const server = await chatServer(paris)
  t.teardown(() => server.close())
  const flags = [
    "-m",
    "other",
    "-s",
    "Be brief.",
    "-n",
    "9",
    "-t",
    "0",
    "--top-p",
    "0.5",
    "--seed",
    "7",
    "--stats",
    "--reasoning",
  ]
  const { code, stderr } = await runProgram(["generate", "--url", server.url, ...flags, "-"], {
    input: "from a pipe\n",
  })
  t.equal(code, 0)
  t.match(stderr, /^hm.*3 tokens/s)
  t.match(server.asked[0], {
    model: "other",
    max_tokens: 9,
    temperature: 0,
    top_p: 0.5,
    seed: 7,
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "from a pipe" },
    ],
  })
  await runProgram(["generate", "--url", server.url, "x"])
  t.notMatch(server.asked[1], { temperature: Number })
})

t.test("a refusal, an error in the stream and an early end fail with one line", async (t) => {
  const error = { error: { message: "The prompt is too long." } }
  for (const [answer, said] of [
    [(response: ServerResponse) => response.writeHead(400).end(JSON.stringify(error)), "The prompt is too long."],
    [
      (response: ServerResponse) => {
        response.write(delta({ content: "Pa" }))
        response.end(`data: ${JSON.stringify(error)}\n\n`)
      },
      "The prompt is too long.",
    ],
    [(response: ServerResponse) => response.end(delta({ content: "Pa" })), "ended the answer early"],
  ] as const) {
    const server = await chatServer(answer)
    const { code, stderr } = await runProgram(["generate", "--url", server.url, "x"])
    t.equal(code, 1)
    t.match(stderr, said)
    t.match(stderr, /^mlx-cluster: [^\n]+\n$/)
    await server.close()
  }
})

t.test("an interrupted answer ends with 130 and closes the request", async (t) => {
  let closed: () => void = () => {}
  const requestClosed = new Promise<void>((resolve) => (closed = resolve))
  const server = await chatServer((response) => {
    response.on("close", closed)
    response.write(delta({ content: "once upon a time" }))
  })
  t.teardown(() => server.close())
  const { code } = await runProgram(["generate", "--url", server.url, "x"], {
    onOutput: (stdout, interrupt) => stdout.includes("time") && interrupt(),
  })
  t.equal(code, 130)
  await requestClosed
})
