// Server-sent events as text.

const DATA = "data: "

export const SSE = {
  contentType: "text/event-stream; charset=utf-8",
  /** A comment: a legal no-op. */
  filler: ":\n\n",
  keepAlive: ": keep-alive\n\n",
  done: "data: [DONE]\n\n",
} as const

/** `data` may have several lines. */
export function sseEvent(name: string, data: string): string {
  return `event: ${name}\ndata: ${data.replaceAll(/\r\n?|\n/g, "\ndata: ")}\n\n`
}

/** `json` has no raw line break: JSON.stringify makes none. */
export function sseJson(json: string): string {
  return `${DATA}${json}\n\n`
}

/** The data of each event in text that sseJson made: JSON, and "[DONE]" at the end. */
export function sseData(text: string): string[] {
  return text
    .split("\n\n")
    .filter((event) => event.startsWith(DATA))
    .map((event) => event.slice(DATA.length))
}
