// Keeps a server busy as clients do: conversations that stream, one after the other, until they are stopped.

const TOPICS = ["the tides", "a lighthouse", "copper wire", "the first snow", "bread", "a long train", "maps", "glass"]

export interface Load {
  /** Resolves when every client has ended. */
  stop(): Promise<void>
}

/** `clients` at the same time. An answer that fails is asked for again: the server may be on its way back. */
export function keepAsking(address: string, clients: number, maxTokens = 96): Load {
  const stopped = new AbortController()
  const ask = async (client: number): Promise<void> => {
    for (let turn = client; !stopped.signal.aborted; turn += clients) {
      const content = `Tell me a short story about ${TOPICS[turn % TOPICS.length]}, number ${turn}.`
      await fetch(`${address}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          messages: [
            { role: "system", content: "You are a helpful assistant who writes plainly." },
            { role: "user", content },
          ],
          max_tokens: maxTokens - ((turn * 37) % (maxTokens >> 1)),
          stream: true,
        }),
        signal: stopped.signal,
      })
        .then(async (response) => await response.text())
        .catch(() => "")
    }
  }
  const ended = Promise.all(Array.from({ length: clients }, (_, client) => ask(client)))
  return {
    async stop() {
      stopped.abort()
      await ended
    },
  }
}
