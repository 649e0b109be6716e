// Questions that fixtures/tiny-qwen3 answers without a fault, and a client that asks them: every answer is known, so that
// one that is lost or another's is seen.

export interface Sum {
  readonly question: string
  readonly answer: string
}

/** "leave": a long answer whose client goes after the first bytes. */
export type Manner = "whole" | "stream" | "leave"

const TIMEOUT_MS = 120_000

/** Terms of two digits: of the smaller ones the model gets 7 + 9 and 9 + 9 wrong. Another sum for each index below 1600. */
export function sumOf(index: number): Sum {
  const [a, b] = [10 + (index % 40), 10 + ((index * 7 + Math.floor(index / 40)) % 40)]
  return { question: `What is ${a} + ${b}?`, answer: `${a} + ${b} = ${a + b}` }
}

/** What is wrong with the answer, or null. */
export async function askSum(address: string, { question, answer }: Sum, manner: Manner): Promise<string | null> {
  const left = new AbortController()
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: manner === "leave" ? "Count from 1 to 200." : question }],
      temperature: 0,
      reasoning_effort: "none",
      max_tokens: 400,
      stream: manner !== "whole",
    }),
    signal: AbortSignal.any([left.signal, AbortSignal.timeout(TIMEOUT_MS)]),
  })
  if (manner === "leave") {
    await response.body?.getReader().read()
    left.abort()
    return response.status === 200 ? null : `status ${response.status}`
  }
  const body = await response.text()
  const text = [...body.matchAll(/"content":"([^"]*)"/g)].map(([, piece]) => piece).join("")
  if (text !== answer) return `${response.status} ${question} -> ${text === "" ? body.slice(0, 200) : text}`
  return manner === "stream" && !body.endsWith("data: [DONE]\n\n") ? `${question}: the stream has no end` : null
}
