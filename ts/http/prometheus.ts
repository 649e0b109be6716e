// Counters -> Prometheus text format 0.0.4. No label carries anything that a client can choose.

import type { ClusterStatus, RankWork } from "../control/index.ts"
import type { EngineStatus } from "../engine/index.ts"
import type { Admission } from "./admission.ts"
import type { Distribution } from "./distribution.ts"
import type { Metrics } from "./metrics.ts"
import { worstLink } from "./snapshot-builder.ts"

type Labels = Readonly<Record<string, string | number>>
type Sample = readonly [labels: Labels, value: number | null]

/** Seconds over which mlx_cluster_tokens_per_second is a mean. */
const RATE_SECONDS = 5

export function renderPrometheus(sources: {
  readonly metrics: Metrics
  readonly engine: EngineStatus
  readonly cluster: ClusterStatus
  readonly admission: Admission
  readonly uptimeSeconds: number
  readonly viewers: number
  readonly sockets: number
  readonly resumableStreams: number
}): string {
  const { metrics, engine, cluster, admission } = sources
  const recent = metrics.history().slice(-RATE_SECONDS)
  const rdma = worstLink(cluster.links)
  const out: string[] = []
  const family = (type: "counter" | "gauge", name: string, help: string, samples: readonly Sample[]) => {
    out.push(`# HELP mlx_cluster_${name} ${help}`, `# TYPE mlx_cluster_${name} ${type}`)
    for (const [labels, value] of samples)
      if (value !== null) out.push(`mlx_cluster_${name}${renderLabels(labels)} ${value}`)
  }
  const one = (value: number | null): readonly Sample[] => [[{}, value]]
  const by = (label: string, map: ReadonlyMap<string, number>): Sample[] =>
    [...map].map(([key, value]) => [{ [label]: key }, value])
  const ranks = (value: (node: ClusterStatus["nodes"][number]) => number | null): Sample[] =>
    cluster.nodes.map((node) => [{ rank: node.rank }, value(node)])
  const links = (value: (link: ClusterStatus["links"][number]) => number | null): Sample[] =>
    cluster.links.map((link) => [{ from: link.from, to: link.to, transport: link.transport }, value(link)])

  family("counter", "requests_total", "Inference requests accepted.", one(metrics.requests))
  family("counter", "tokens_generated_total", "Completion tokens delivered.", one(metrics.completionTokens))
  family("gauge", "tokens_per_second", `Completion tokens a second, mean of ${RATE_SECONDS} s.`, [
    [{}, recent.reduce((sum, count) => sum + count, 0) / RATE_SECONDS],
  ])
  family("gauge", "prefill_tokens_per_second", "Prompt tokens computed a second of prefill, last minute.", [
    [{}, metrics.prefillTps()],
  ])
  family("gauge", "decode_tokens_per_second", "Tokens a second of one stream after its first, last minute.", [
    [{}, metrics.decodeTps()],
  ])
  family("gauge", "queue_depth", "Requests that wait for their first step.", one(engine.waiting))
  family("gauge", "memory_used_bytes", "Memory in use on the host of a rank.", [
    ...ranks(({ memory }) => (memory === null ? null : memory.totalBytes - memory.availableBytes)),
  ])
  family("gauge", "rank_memory_ratio", "Share of a host's memory in use.", [
    ...ranks(({ memory }) =>
      memory === null || memory.totalBytes <= 0 ? null : 1 - memory.availableBytes / memory.totalBytes,
    ),
  ])
  family("gauge", "rdma_bandwidth_gbps", "Last measured bandwidth of the worst link, gigabytes a second.", [
    [{}, rdma.bandwidth_gbps],
  ])
  family("gauge", "rdma_bandwidth_bytes_per_second", "Last measured bandwidth of the worst link.", [
    [{}, rdma.bandwidth_gbps === null ? null : rdma.bandwidth_gbps * 1e9],
  ])
  family("gauge", "rdma_latency_us", "Last measured latency of the worst link, microseconds.", one(rdma.latency_us))
  family("gauge", "rdma_latency_seconds", "Last measured latency of the worst link.", [
    [{}, rdma.latency_us === null ? null : rdma.latency_us / 1e6],
  ])

  family("gauge", "requests_running", "Requests in the batch.", one(engine.running))
  family("gauge", "requests_active", "Requests that hold a place in the front.", one(admission.active))
  family("gauge", "engine_slots_used", "Answers that hold a place on the way to the rank.", one(engine.held.slots))
  family("gauge", "engine_sequences", "Answers that the rank works on.", one(engine.held.sequences))
  family("gauge", "requests_capacity", "Requests that may wait or run at the same time.", one(engine.capacity))
  family("counter", "requests_finished_total", "Requests ended, by outcome.", by("reason", metrics.outcomes))
  family("counter", "requests_refused_total", "Requests refused at admission.", by("code", admission.refusals))
  family("counter", "prompt_tokens_total", "Prompt tokens of ended requests.", one(metrics.promptTokens))
  family("counter", "prompt_tokens_cached_total", "Prompt tokens found in the prefix cache.", one(metrics.cachedTokens))
  family("counter", "errors_total", "Server errors, by code.", by("code", metrics.errorCodes))
  family("counter", "slow_readers_total", "Streams cut because the client read too slowly.", one(metrics.slowReaders))
  family("counter", "http_responses_total", "Answers by route and status.", byRoute(metrics.responses))
  family("gauge", "engine_ready", "1 while the engine serves.", one(engine.state === "ready" ? 1 : 0))
  family("counter", "engine_restarts_total", "Restarts of the rank group.", one(engine.restarts))
  family("gauge", "kv_used_bytes", "KV memory in use.", one(engine.kv.bytesUsed))
  family("gauge", "kv_total_bytes", "KV memory reserved.", one(engine.kv.bytesTotal))
  family("gauge", "kv_positions", "Positions that the KV memory can hold.", one(engine.kv.positionsTotal))
  const { speculation } = engine
  family("counter", "speculation_proposed_tokens_total", "Tokens proposed to the model by speculation.", [
    [{}, speculation?.proposedTokens ?? null],
  ])
  family("counter", "speculation_accepted_tokens_total", "Proposed tokens that the model took.", [
    [{}, speculation?.acceptedTokens ?? null],
  ])
  family("counter", "speculation_steps_total", "Judgements of proposed tokens, one a sequence and step.", [
    [{}, speculation?.steps ?? null],
  ])
  family("gauge", "speculation_depth", "Tokens proposed for a sequence and step, of late.", [
    [{}, speculation?.depth ?? null],
  ])
  family("gauge", "speculation_sequences_active", "Running sequences that are proposed for.", [
    [{}, speculation?.active ?? null],
  ])
  family("gauge", "speculation_sequences_resting", "Running sequences for which speculation does not pay now.", [
    [{}, speculation?.resting ?? null],
  ])
  family("gauge", "uptime_seconds", "Seconds since the front started.", one(sources.uptimeSeconds))
  family("gauge", "dashboard_viewers", "Open event streams of the dashboard.", one(sources.viewers))
  family("gauge", "websockets_open", "Open WebSockets of /v1/stream.", one(sources.sockets))
  family("gauge", "resumable_streams", "Resumable streams that run or are kept.", one(sources.resumableStreams))
  family("gauge", "front_resident_bytes", "Resident memory of the front process.", one(process.memoryUsage.rss()))

  family(
    "gauge",
    "rank_up",
    "1 while a rank is active.",
    ranks((node) => (node.state === "active" ? 1 : 0)),
  )
  family("gauge", "rank_heartbeat_age_seconds", "Seconds since a rank was heard from.", [
    ...ranks((node) => (node.lastHeardMs === null ? null : node.lastHeardMs / 1000)),
  ])
  const work = (value: (work: RankWork) => number): Sample[] => ranks(({ work: own }) => (own ? value(own) : null))
  const plan = (part: string, us: (work: RankWork) => number): Sample[] =>
    cluster.nodes.map(({ rank, work: own }) => [{ rank, part }, own ? us(own) / 1e6 : null])
  family("counter", "rank_steps_total", "Steps that a rank has run.", [...work(({ steps }) => steps)])
  family("counter", "rank_plans_total", "Step plans: sent by rank 0, received by the others.", [
    ...work(({ plans }) => plans),
  ])
  family("counter", "rank_plan_seconds_total", "A rank's own time for step plans, by part.", [
    ...plan("encode", ({ planEncodeUs }) => planEncodeUs),
    ...plan("send", ({ planSendUs }) => planSendUs),
    ...plan("decode", ({ planDecodeUs }) => planDecodeUs),
  ])
  family("counter", "rank_plans_in_time_total", "Step plans that came before they were needed.", [
    ...work(({ plansInTime }) => plansInTime),
  ])
  family("counter", "rank_plans_late_total", "Step plans that a rank had to wait for.", [
    ...work(({ plansLate }) => plansLate),
  ])
  family("counter", "rank_beats_total", "Heartbeats and metrics of a rank over the control plane.", [
    ...work(({ beats }) => beats),
  ])
  family("counter", "rank_beat_seconds_total", "A rank's own time for them.", [...work(({ beatUs }) => beatUs / 1e6)])
  family("counter", "rank_cpu_seconds_total", "Processor time of a rank process.", [
    ...work(({ cpuUs }) => cpuUs / 1e6),
  ])
  family(
    "gauge",
    "rank_resident_bytes",
    "Resident memory of a rank process.",
    ranks((n) => n.memory?.rssBytes ?? null),
  )
  family(
    "gauge",
    "rank_mlx_active_bytes",
    "MLX memory in use.",
    ranks((n) => n.memory?.activeBytes ?? null),
  )
  family(
    "gauge",
    "rank_mlx_cache_bytes",
    "MLX memory kept for reuse.",
    ranks((n) => n.memory?.cacheBytes ?? null),
  )
  family(
    "gauge",
    "rank_mlx_peak_bytes",
    "Most MLX memory in use so far.",
    ranks((n) => n.memory?.peakBytes ?? null),
  )
  family(
    "gauge",
    "link_up",
    "1 while a link is active.",
    links((link) => (link.active ? 1 : 0)),
  )
  family("gauge", "link_bandwidth_bytes_per_second", "Last measured bandwidth of a link.", [
    ...links((link) => link.bandwidthBytesPerSecond),
  ])
  family("gauge", "link_latency_seconds", "Last measured latency of a link.", [
    ...links((link) => (link.latencyUs === null ? null : link.latencyUs / 1e6)),
  ])
  family("gauge", "link_latency_p99_seconds", "Of the last probes of a link.", [
    ...links(({ latencyP99Us }) => (typeof latencyP99Us === "number" ? latencyP99Us / 1e6 : null)),
  ])
  family("gauge", "link_degraded", "1 while a link is much slower than it was at its best.", [
    ...links(({ degraded, lastProbeMs }) => (lastProbeMs === null ? null : typeof degraded === "string" ? 1 : 0)),
  ])
  family(
    "gauge",
    "rank_waiting_ratio",
    "Share of the last seconds that a rank waited in collectives.",
    (cluster.waiting?.shares ?? []).map((share, rank): Sample => [{ rank }, share]),
  )

  const { latencies, speeds, collectives } = metrics
  histogram(out, "time_to_first_token_seconds", "From the request to its first token.", latencies.firstToken)
  histogram(out, "inter_token_latency_seconds", "Between two events with tokens of a request.", latencies.betweenTokens)
  histogram(out, "request_duration_seconds", "Whole requests that went well.", latencies.request)
  histogram(out, "prefill_time_seconds", "From the first step of a prompt to its last.", latencies.prefill)
  histogram(out, "queue_time_seconds", "From the engine's door to the first step.", latencies.queue)
  histogram(out, "request_prefill_tokens_per_second", "Prompt tokens computed a second of prefill.", speeds.prefill)
  histogram(out, "request_decode_tokens_per_second", "Tokens a second after the first one.", speeds.decode)
  histogram(out, "step_time_seconds", "One pass of the token half.", latencies.step)
  histogram(out, "step_collective_seconds", "What a step spends in collectives.", latencies.collective)
  family("counter", "collectives_total", "Collectives of the ranks.", one(collectives?.operations ?? 0))
  family("counter", "collective_bytes_total", "Bytes of rank 0's operands.", one(collectives?.bytes ?? 0))
  family("counter", "collective_seconds_total", "Time in collectives, waiting included.", [
    [{}, collectives?.seconds ?? 0],
  ])
  return `${out.join("\n")}\n`
}

/** Keys are "route status". */
function byRoute(responses: ReadonlyMap<string, number>): Sample[] {
  return Array.from(responses, ([key, value]): Sample => {
    const space = key.lastIndexOf(" ")
    return [{ route: key.slice(0, space), status: key.slice(space + 1) }, value]
  })
}

function histogram(out: string[], name: string, help: string, measure: Distribution): void {
  out.push(`# HELP mlx_cluster_${name} ${help}`, `# TYPE mlx_cluster_${name} histogram`)
  for (const [bound, count] of measure.buckets) out.push(`mlx_cluster_${name}_bucket{le="${bound}"} ${count}`)
  out.push(
    `mlx_cluster_${name}_bucket{le="+Inf"} ${measure.count}`,
    `mlx_cluster_${name}_sum ${measure.sum}`,
    `mlx_cluster_${name}_count ${measure.count}`,
  )
}

function renderLabels(labels: Labels): string {
  const entries = Object.entries(labels)
  if (entries.length === 0) return ""
  const escape = (value: string) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
  return `{${entries.map(([name, value]) => `${name}="${escape(String(value))}"`).join(",")}}`
}
