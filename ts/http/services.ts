// What routes work with: one object, made once by server.ts.

import type { ClusterStatus } from "../control/index.ts"
import type { Snapshot } from "../dashboard/index.ts"
import type { Engine } from "../engine/index.ts"
import type { Admission } from "./admission.ts"
import type { Runs } from "./generation-run.ts"
import type { LogStore } from "./log-store.ts"
import type { Metrics } from "./metrics.ts"
import type { Settings } from "./options.ts"
import type { ResumableStreams } from "./resumable-streams.ts"
import type { SocketHub } from "./socket-hub.ts"
import type { ViewerHub } from "./viewer-hub.ts"

export interface Services {
  readonly engine: Engine
  readonly cluster: () => ClusterStatus
  readonly settings: Settings
  readonly admission: Admission
  readonly metrics: Metrics
  readonly runs: Runs
  readonly streams: ResumableStreams
  readonly sockets: SocketHub
  readonly viewers: ViewerHub
  readonly snapshot: () => Snapshot
  readonly logs: LogStore
  readonly uptimeSeconds: () => number
  /** An error that reached a client inside a stream, where no status line could tell it. */
  readonly logError: (error: unknown, requestId: string) => void
}
