// What others may know of the cluster: plain facts, no sockets. ts/http shows them; ts/main.ts acts on them.

export type NodeState = "starting" | "active" | "degraded" | "disconnected"

/** Sizes in bytes; what a rank measures of its process, of MLX and of its host. */
export interface RankMemory {
  readonly totalBytes: number
  readonly availableBytes: number
  readonly rssBytes: number
  readonly activeBytes: number
  readonly cacheBytes: number
  readonly peakBytes: number
  readonly modelBytes: number
  readonly kvBytes: number
}

export interface NodeStatus {
  readonly rank: number
  readonly hostname: string
  readonly state: NodeState
  /** Why it is not active, for a person. */
  readonly detail: string
  readonly pid: number | null
  /** Milliseconds since it was heard from. */
  readonly lastHeardMs: number | null
  readonly memory: RankMemory | null
}

export interface LinkStatus {
  readonly from: number
  readonly to: number
  /** "jaccl", "tcp", "nccl" or "ring". */
  readonly transport: string
  readonly device: string
  readonly active: boolean
  readonly latencyUs: number | null
  readonly bandwidthBytesPerSecond: number | null
  readonly lastProbeMs: number | null
}

export interface ClusterStatus {
  /** Counts up with every start of the rank group. */
  readonly epoch: number
  readonly size: number
  readonly nodes: readonly NodeStatus[]
  readonly links: readonly LinkStatus[]
}
