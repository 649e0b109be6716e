// A streamed answer as a client of the server sees it.

export interface AnswerStream {
  /** Resolves when so many pieces of text have come; rejects when the answer ends before. */
  pieces(count: number): Promise<void>
  /** The whole of it. Rejects when it is not over in time. */
  readonly ended: Promise<{ readonly text: string; readonly error: string | null; readonly pieces: number }>
}

const ANSWER_MS = 90_000

export function streamAnswer(address: string, prompt: string, maxTokens: number): AnswerStream {
  const waiters: { count: number; resolve: () => void; reject: (reason: Error) => void }[] = []
  let text = ""
  let count = 0
  let error: string | null = null

  function take(event: string): void {
    if (!event.startsWith("data: {")) return
    // The server's own chunks: their form is tested in ts/http.
    const chunk = JSON.parse(event.slice("data: ".length)) as {
      error?: { code: string }
      choices?: { delta: { content?: string } }[]
    }
    if (chunk.error !== undefined) error = chunk.error.code
    const piece = chunk.choices?.[0]?.delta.content ?? ""
    if (piece === "") return
    text += piece
    count++
    for (const waiter of waiters.filter((one) => one.count <= count)) waiter.resolve()
  }

  async function read(): Promise<{ text: string; error: string | null; pieces: number }> {
    const response = await fetch(`${address}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", connection: "close" },
      body: JSON.stringify({
        messages: [{ role: "user", content: prompt }],
        temperature: 0,
        reasoning_effort: "none",
        max_tokens: maxTokens,
        stream: true,
      }),
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    if (!response.ok) error = `${response.status}: ${await response.text()}`
    else {
      let rest = ""
      const decoder = new TextDecoder()
      for await (const part of response.body ?? []) {
        const events = (rest + decoder.decode(part, { stream: true })).split("\n\n")
        rest = events.pop() ?? ""
        for (const event of events) take(event)
      }
    }
    for (const waiter of waiters) waiter.reject(new Error(`the answer ended after ${count} pieces: ${error ?? text}`))
    return { text, error, pieces: count }
  }

  const ended = read()
  ended.catch((reason: unknown) => {
    for (const waiter of waiters) waiter.reject(new Error("the answer broke off", { cause: reason }))
  })
  return {
    ended,
    pieces: (wanted) =>
      new Promise((resolve, reject) => {
        if (count >= wanted) resolve()
        else waiters.push({ count: wanted, resolve, reject })
      }),
  }
}
