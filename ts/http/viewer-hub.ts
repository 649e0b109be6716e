// The dashboard's event streams: one computation a second for all who watch, none while nobody does. Each tick sends the
// v2 snapshot as JSON and the panels that changed; a viewer that fell behind gets all panels when it has caught up.

import { renderPanels, type Snapshot } from "../dashboard/index.ts"
import type { StreamWriter } from "./server-port.ts"
import { sseEvent, sseJson } from "./sse.ts"

export interface ViewerHub {
  readonly size: number
  /** Sends the whole state at once. The result leaves; it is idempotent. */
  join(writer: StreamWriter): () => void
  /** Ends all streams; later ones end at once. */
  close(): void
}

interface Viewer {
  readonly writer: StreamWriter
  behind: boolean
}

export function createViewerHub(snapshot: () => Snapshot, intervalMs: number): ViewerHub {
  const viewers = new Set<Viewer>()
  let sent: Readonly<Record<string, string>> = {}
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const stop = () => {
    clearInterval(timer)
    timer = undefined
  }
  const tick = () => {
    const facts = snapshot()
    const panels = renderPanels(facts)
    const changed = Object.entries(panels).filter(([id, html]) => sent[id] !== html)
    sent = panels
    const data = sseJson(JSON.stringify(facts))
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

  return {
    get size() {
      return viewers.size
    },
    join(writer) {
      if (closed) {
        writer.end()
        return () => {}
      }
      const viewer: Viewer = { writer, behind: false }
      const facts = snapshot()
      writer.write(everything(renderPanels(facts)) + sseJson(JSON.stringify(facts)))
      viewers.add(viewer)
      timer ??= setInterval(tick, intervalMs).unref()
      return () => {
        viewers.delete(viewer)
        if (viewers.size === 0) stop()
      }
    },
    close() {
      closed = true
      stop()
      for (const viewer of viewers) viewer.writer.end()
      viewers.clear()
    },
  }
}

function everything(panels: Readonly<Record<string, string>>): string {
  return Object.entries(panels)
    .map(([id, html]) => sseEvent(id, html))
    .join("")
}
