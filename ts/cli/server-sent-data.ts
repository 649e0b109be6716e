// The data lines of a stream of server-sent events. Knows nothing of what they hold.

import { CommandError } from "./command.ts"

/** Yields what follows "data:" of each line; `touch` is called for every piece that arrives, comments too. */
export async function* serverSentData(
  body: ReadableStream<Uint8Array> | null,
  touch: () => void,
): AsyncGenerator<string> {
  if (body === null) throw new CommandError("the server sent an empty answer")
  const decoder = new TextDecoder()
  let rest = ""
  for await (const piece of body) {
    touch()
    const lines = (rest + decoder.decode(piece, { stream: true })).split(/\r\n|\n|\r/)
    rest = lines.pop() ?? ""
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trimStart()
  }
}
