// The watchers of the dashboard: one computation a second for all of them, none while nobody watches. Each tick sends the
// v2 snapshot: over SSE as JSON beside the panels that changed, over WebSocket as a message, which now and then holds the
// histograms too. An SSE viewer that fell behind gets all panels when it has caught up.

import { renderPanels, type Snapshot } from "../dashboard/index.ts"
import type { HistogramView } from "./histograms.ts"
import type { PortSocket, StreamWriter } from "./server-port.ts"
import { sseEvent, sseJson } from "./sse.ts"

export interface ViewerHub {
  readonly size: number
  /** Sends the whole state at once. The result leaves; it is idempotent. */
  join(writer: StreamWriter): () => void
  /** The same over a WebSocket, without panels. */
  watch(socket: PortSocket): () => void
  /** Tells at once, and then again after a whole interval: what is over in less than that is seen too. */
  refresh(): void
  /** Ends all streams; later ones end at once. */
  close(): void
}

export interface ViewerSources {
  readonly snapshot: () => Snapshot
  readonly histograms: () => Readonly<Record<string, HistogramView>>
  readonly intervalMs: number
  /** Ticks between two messages with histograms: packing them costs milliseconds. */
  readonly histogramTicks: number
}

interface Viewer {
  readonly writer: StreamWriter
  behind: boolean
}

/** Code of RFC 6455. */
const GOING_AWAY = 1001

/** A snapshot holds words of clients: whoever takes the JSON for markup by mistake finds no element in it. */
const inert = (facts: Snapshot) => JSON.stringify(facts).replaceAll("<", "\\u003c")

export function createViewerHub({ snapshot, histograms, intervalMs, histogramTicks }: ViewerSources): ViewerHub {
  const viewers = new Set<Viewer>()
  const sockets = new Set<PortSocket>()
  let sent: Readonly<Record<string, string>> = {}
  let ticks = 0
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const start = () => {
    timer ??= setInterval(tick, intervalMs).unref()
  }
  const stop = () => {
    clearInterval(timer)
    timer = undefined
  }
  const message = (json: string, whole: boolean) =>
    `{"type":"snapshot","snapshot":${json}${whole ? `,"histograms":${JSON.stringify(histograms())}` : ""}}`

  function tick(): void {
    const facts = snapshot()
    const json = inert(facts)
    if (viewers.size > 0) tellViewers(renderPanels(facts), sseJson(json))
    if (sockets.size > 0) {
      const messages = [message(json, ++ticks % histogramTicks === 0)]
      for (const socket of sockets) socket.send(messages)
    }
  }

  function tellViewers(panels: Readonly<Record<string, string>>, data: string): void {
    const changed = Object.entries(panels).filter(([id, html]) => sent[id] !== html)
    sent = panels
    const update = changed.map(([id, html]) => sseEvent(id, html)).join("") + data
    let whole: string | undefined
    for (const viewer of viewers) {
      if (viewer.writer.pendingBytes > 0) {
        viewer.behind = true
        continue
      }
      viewer.writer.write(viewer.behind ? (whole ??= everything(panels) + data) : update)
      viewer.behind = false
    }
  }

  const leave = <Member>(members: Set<Member>, member: Member) => {
    members.delete(member)
    if (viewers.size + sockets.size === 0) stop()
  }

  return {
    get size() {
      return viewers.size + sockets.size
    },
    join(writer) {
      if (closed) {
        writer.end()
        return () => {}
      }
      const viewer: Viewer = { writer, behind: false }
      const facts = snapshot()
      writer.write(everything(renderPanels(facts)) + sseJson(inert(facts)))
      viewers.add(viewer)
      start()
      return () => leave(viewers, viewer)
    },
    watch(socket) {
      if (closed) {
        socket.close(GOING_AWAY, "the server is shutting down")
        return () => {}
      }
      socket.send([message(inert(snapshot()), true)])
      sockets.add(socket)
      start()
      return () => leave(sockets, socket)
    },
    refresh() {
      if (timer === undefined) return
      stop()
      tick()
      start()
    },
    close() {
      closed = true
      stop()
      for (const viewer of viewers) viewer.writer.end()
      for (const socket of sockets) socket.close(GOING_AWAY, "the server is shutting down")
      viewers.clear()
      sockets.clear()
    },
  }
}

function everything(panels: Readonly<Record<string, string>>): string {
  return Object.entries(panels)
    .map(([id, html]) => sseEvent(id, html))
    .join("")
}
