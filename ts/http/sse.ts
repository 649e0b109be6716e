// Server-sent events as text.

const DATA = "data: "

/** Data of the event that ends an OpenAI stream. */
export const SSE_END = "[DONE]"

export const SSE = {
  contentType: "text/event-stream; charset=utf-8",
  /** A comment: a legal no-op. */
  filler: ":\n\n",
  keepAlive: ": keep-alive\n\n",
  done: `${DATA}${SSE_END}\n\n`,
} as const

/** `data` may have several lines. */
export function sseEvent(name: string, data: string): string {
  return `event: ${name}\ndata: ${data.replaceAll(/\r\n?|\n/g, "\ndata: ")}\n\n`
}

/** `json` has no raw line break: JSON.stringify makes none. */
export function sseJson(json: string): string {
  return `${DATA}${json}\n\n`
}

export function sseNumbered(number: number, data: string): string {
  return `id: ${number}\n${sseJson(data)}`
}

/** The data of each event in text that sseJson made: JSON, and "[DONE]" at the end. */
export function sseData(text: string): string[] {
  return text
    .split("\n\n")
    .filter((event) => event.startsWith(DATA))
    .map((event) => event.slice(DATA.length))
}
