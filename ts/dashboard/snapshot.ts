// What the dashboard shows, as plain data: ts/http fills it, the panels turn it into HTML. The fields in snake_case are
// the public v2 event of GET /events; clients other than the page read them too.

export interface Snapshot {
  readonly uptime_s: number
  readonly total_requests: number
  readonly total_tokens: number
  /** Generated tokens a second over the last minute, all streams together. */
  readonly avg_tps_60s: number
  readonly peak_tps_60s: number
  /** Seconds. */
  readonly avg_latency_60s: number
  /** Waiting requests. */
  readonly queue_size: number
  /** Requests that may wait or run at most. */
  readonly queue_max: number
  readonly running: number
  /** Generated tokens in each of the last 60 seconds, oldest first. */
  readonly history: readonly number[]
  readonly memory: Readonly<Record<string, MemoryView>>
  readonly rdma: LinkView
  readonly links: readonly (LinkView & { readonly from: number; readonly to: number; readonly label: string })[]
  readonly nodes: Readonly<Record<string, NodeView>>
  readonly model: {
    readonly id: string
    readonly family: string
    readonly quantization: string
    readonly size_gb: number
    readonly context_length: number
  } | null
  /** "starting", "loading", "ready", "lost" or "stopped". */
  readonly state: string
  readonly detail: string
  readonly version: string
  readonly world_size: number
  readonly requests: readonly RequestView[]
  readonly errors: readonly ErrorView[]
  /** Since the start. */
  readonly latency_ms: {
    readonly time_to_first_token: PercentilesView | null
    readonly inter_token: PercentilesView | null
    readonly request: PercentilesView | null
    readonly queue: PercentilesView | null
    readonly prefill: PercentilesView | null
    /** One pass of the token half, whatever is in its batch. */
    readonly step: PercentilesView | null
    /** What a step spends in collectives; null where there is one rank. */
    readonly collective: PercentilesView | null
  }
  /** Tokens a second of each request since the start: prompt tokens computed, tokens after the first. */
  readonly speed_tps: { readonly prefill: PercentilesView | null; readonly decode: PercentilesView | null }
  /** What the ranks exchanged since the start; null where nothing was. */
  readonly collectives: CollectivesView | null
  /** Prompt tokens computed a second of prefill, requests of the last minute; null if none ended. */
  readonly prefill_tps_60s: number | null
  /** Tokens a second of one stream after its first token, requests of the last minute. */
  readonly decode_tps_60s: number | null
  /** Of ended requests since the start. */
  readonly prefix_cache: { readonly hit_tokens: number; readonly prompt_tokens: number }
  /** How the ranks are joined; null: there is one, or they have not met. */
  readonly group?: GroupView | null
  /** Share of the last seconds that each rank waited in collectives, by rank, and the rank that the others wait for. */
  readonly waiting?: { readonly shares: readonly number[]; readonly straggler: number | null } | null
  /** How the ranks have proved that together they compute the model rightly; null: one rank, or not proved yet. */
  readonly certificate?: CertificateView | null
  /** Null: off. */
  readonly speculation: SpeculationView | null
}

export interface GroupView {
  /** "tcp", "jaccl-mesh", "jaccl-ring", "ring" or "nccl". */
  readonly transport: string
  /** Whether waits of the transport end when a rank is lost. */
  readonly guarded: boolean
  /** Share of the model that each rank takes, by rank, 0..1. */
  readonly shares: readonly number[]
  /** Whether the ranks run with MLX_METAL_FAST_SYNCH. */
  readonly metal_fast_synch: boolean
  /** Counts up with every start of the ranks. */
  readonly epoch: number
}

export interface CertificateView {
  /** "one rank": equal to one rank's answer; "agreement": too large for one, the ranks agree among themselves. */
  readonly proof: string
  readonly ranks: number
  readonly backend: string
  readonly mlx_version: string
  readonly hash: string
  readonly tokens: number
  readonly agreeing: number
  /** Unix milliseconds. */
  readonly time: number
}

/** Counts since the start. */
export interface SpeculationView {
  /** "draft" (a draft model) or "ngram" (prompt lookup). */
  readonly kind: string
  readonly proposed_tokens: number
  readonly accepted_tokens: number
  /** accepted / proposed, 0..1; null before the first proposal. */
  readonly acceptance: number | null
  /** Tokens proposed for a sequence and step, of late. */
  readonly depth: number
  /** Running sequences that are proposed for. */
  readonly active: number
  /** Running sequences for which it does not pay now; they are tried again later. */
  readonly resting: number
  /** No running sequence is proposed for, though some run. */
  readonly switched_off: boolean
}

export interface CollectivesView {
  readonly operations: number
  readonly bytes: number
  readonly seconds: number
  /** Gigabytes a second of collective in the last minute, waiting for the slowest rank included. */
  readonly gbps_60s: number | null
  /** Share of the steps' time in the last minute, 0..1. */
  readonly share_60s: number | null
}

/** Milliseconds, or tokens a second. */
export interface PercentilesView {
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

export interface MemoryView {
  readonly active_gb: number
  readonly cache_gb: number
  readonly peak_gb: number
  readonly total_gb: number
  readonly used_gb: number
  readonly model_gb: number
  readonly kv_gb: number
  readonly rss_gb: number
  /** In use on the host beside this process. */
  readonly os_gb: number
}

export interface LinkView {
  readonly bandwidth_gbps: number | null
  readonly latency_us: number | null
  readonly link_active: boolean
  readonly last_probe_s: number | null
  /** Share of the link's ceiling, 0..1. */
  readonly share: number | null
  /** What the link can carry at best, in gigabytes a second. */
  readonly ceiling_gbps?: number | null
  /** Who says so: "cable" (its kind), "interface" (of both ends) or "measured" (the best probe so far). */
  readonly ceiling_source?: "cable" | "interface" | "measured" | null
  /** Of the exchanges of the last probes. */
  readonly latency_p50_us?: number | null
  readonly latency_p99_us?: number | null
  /** How much worse it has become than it was; null: it has not. */
  readonly degraded?: string | null
}

export interface NodeView {
  readonly status: string
  readonly hostname: string
  readonly last_heartbeat_s: number | null
  readonly detail: string
}

export interface RequestView {
  readonly id: string
  /** Unix milliseconds. */
  readonly time: number
  readonly kind: string
  readonly prompt_tokens: number
  readonly cached_tokens: number
  readonly completion_tokens: number
  /** Proposed by speculation and judged by the model, and those of them that it took; known at the end. */
  readonly drafted_tokens: number
  readonly accepted_tokens: number
  readonly ttft_ms: number | null
  readonly latency_ms: number
  readonly generation_tps: number | null
  /** "ok", "slow", "error" or "cancelled"; of those that have not ended "queued" or "running". */
  readonly status: string
  readonly finish_reason: string | null
  readonly prefill_tps: number | null
  /** Milliseconds since the request came; null where it has not happened. */
  readonly timeline: TimelineView
  /** Code of the error that ended it. */
  readonly error: string | null
  /** Beginning of the prompt, only where the operator asked for it. */
  readonly prompt: string | null
  /** Where the prefix cache held something else; null: nowhere. */
  readonly cache?: CacheDivergenceView | null
}

export interface CacheDivergenceView {
  /** Tokens of the prompt before it. */
  readonly diverged_at: number
  /** What the cache has there (one token), and the prompt (some); only where the operator asked for prompts. */
  readonly cached_text: string | null
  readonly prompt_text: string | null
}

export interface TimelineView {
  /** The prompt was tokenized and waited for its turn. */
  readonly queued_ms: number | null
  readonly prefill_ms: number | null
  readonly first_token_ms: number | null
  readonly end_ms: number | null
}

export interface ErrorView {
  readonly time: number
  readonly code: string
  readonly message: string
  readonly request_id: string | null
  readonly cause: string | null
  /** What an operator can do. */
  readonly cure: string
}
