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

/** What a rank has done and spent since it started, mirroring and watching apart. */
export interface RankWork {
  readonly steps: number
  /** Step plans: sent by rank 0, received by the others. Microseconds of processor time. */
  readonly plans: number
  readonly planEncodeUs: number
  readonly planSendUs: number
  readonly planDecodeUs: number
  /** Plans that were there when a rank needed them, and those that it waited for. */
  readonly plansInTime: number
  readonly plansLate: number
  /** Heartbeats and metrics over the control plane. */
  readonly beats: number
  /** Processor time of these, and of the native beats between the ranks. */
  readonly beatUs: number
  /** Processor time of the process. */
  readonly cpuUs: number
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
  /** null: it has not told. */
  readonly work?: RankWork | null
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
  /** What it can carry at best; null: nothing tells yet. */
  readonly ceiling?: LinkCeiling | null
  /** Over the last probes. */
  readonly latencyP50Us?: number | null
  readonly latencyP99Us?: number | null
  /** How much worse it has become, for a person; null: it has not. */
  readonly degraded?: string | null
}

export interface LinkCeiling {
  readonly bytesPerSecond: number
  /** Who says so: the kind of cable, the network interfaces of both ends, or the best probe so far. */
  readonly source: "cable" | "interface" | "measured"
}

/** How the ranks have proved that together they compute the model rightly; see ModelFacts of ts/engine. */
export interface ClusterCertificate {
  readonly proof: string
  readonly ranks: number
  readonly backend: string
  readonly mlxVersion: string
  readonly hash: string
  readonly tokens: number
  readonly agreeing: number
  readonly time: number
}

/** While requests run: how long the ranks wait in collectives, and for whom. */
export interface ClusterWaiting {
  /** Share of the last seconds that each rank spent in collectives, by rank, 0..1. */
  readonly shares: readonly number[]
  /** The rank that the others wait for; null: they take turns. */
  readonly straggler: number | null
}

/** How the ranks are joined. */
export interface ClusterGroup {
  /** "tcp", "jaccl-mesh", "jaccl-ring", "ring" or "nccl". */
  readonly transport: string
  /** Whether waits of the transport end when a rank is lost; else only the end of the process helps. */
  readonly isGuarded: boolean
  /** Share of the model that each rank takes, by rank, 0..1. */
  readonly shares: readonly number[]
}

export interface ClusterVersions {
  readonly program: string
  readonly node: string
  /** Null: not loaded yet. */
  readonly mlx: string | null
}

export interface ClusterStatus {
  /** Counts up with every start of the rank group. */
  readonly epoch: number
  readonly size: number
  /** Ranks that the model is split over now: all, or fewer while hosts stay away. Default all. */
  readonly members?: readonly number[]
  readonly nodes: readonly NodeStatus[]
  readonly links: readonly LinkStatus[]
  /** Null: there is one rank, or they have not met. */
  readonly group?: ClusterGroup | null
  readonly versions?: ClusterVersions
  /** Whether the ranks run with MLX_METAL_FAST_SYNCH. */
  readonly metalFastSynch?: boolean
  /** Of the ranks that run now; null: there is one, or none has been proved yet. */
  readonly certificate?: ClusterCertificate | null
  /** Null: there is one rank, or there was too little work so far. */
  readonly waiting?: ClusterWaiting | null
}
