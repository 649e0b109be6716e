// Counters, engine status and cluster status -> the dashboard's Snapshot. Pure but for the clock of the metrics.

import type { ClusterCertificate, ClusterStatus, LinkStatus, NodeState, RankMemory } from "../control/index.ts"
import type {
  CertificateView,
  GroupView,
  LinkView,
  MemoryView,
  PercentilesView,
  Snapshot,
  SpeculationView,
} from "../dashboard/index.ts"
import type { EngineStatus, SpeculationStatus } from "../engine/index.ts"
import type { Distribution } from "./distribution.ts"
import type { CollectiveTotals } from "./collective-totals.ts"
import { LIMITS } from "./limits.ts"
import { leftOut } from "./readiness.ts"
import type { Metrics } from "./metrics.ts"

const GB = 1e9

export function buildSnapshot(
  metrics: Metrics,
  engine: EngineStatus,
  cluster: ClusterStatus,
  facts: { readonly version: string; readonly uptimeSeconds: number },
): Snapshot {
  const history = metrics.history()
  const [model] = engine.models
  const seen = Math.min(history.length, Math.max(1, Math.floor(facts.uptimeSeconds)))
  return {
    uptime_s: Math.round(facts.uptimeSeconds),
    total_requests: metrics.requests,
    total_tokens: metrics.completionTokens,
    avg_tps_60s: round(history.reduce((sum, tokens) => sum + tokens, 0) / seen, 1),
    peak_tps_60s: Math.max(0, ...history),
    avg_latency_60s: round(metrics.meanLatencySeconds(), 3),
    queue_size: engine.waiting,
    queue_max: engine.capacity,
    running: engine.running,
    history,
    memory: Object.fromEntries(
      cluster.nodes.flatMap((node) => (node.memory === null ? [] : [[String(node.rank), memoryView(node.memory)]])),
    ),
    rdma: worstLink(cluster.links),
    links: cluster.links.map((link) => ({
      ...linkView(link),
      from: link.from,
      to: link.to,
      label: link.device === "" ? link.transport : `${link.transport} ${link.device}`,
    })),
    nodes: Object.fromEntries(
      cluster.nodes.map((node) => [
        String(node.rank),
        {
          status: nodeStatus(node.state, cluster.epoch),
          hostname: node.hostname,
          last_heartbeat_s: node.lastHeardMs === null ? null : round(node.lastHeardMs / 1000, 1),
          detail: node.detail,
        },
      ]),
    ),
    model:
      model === undefined
        ? null
        : {
            id: model.id,
            family: model.family,
            quantization: model.quantization,
            size_gb: round(model.sizeBytes / GB, 3),
            context_length: model.contextLength,
          },
    state: engine.state,
    detail: engine.detail || leftOut(cluster),
    version: facts.version,
    world_size: cluster.size,
    requests: metrics.requestLog().slice(0, LIMITS.snapshotRequests),
    errors: metrics.errorLog(),
    latency_ms: latencyView(metrics),
    prefill_tps_60s: roundMaybe(metrics.prefillTps(), 1),
    decode_tps_60s: roundMaybe(metrics.decodeTps(), 1),
    speed_tps: {
      prefill: percentilesView(metrics.speeds.prefill),
      decode: percentilesView(metrics.speeds.decode),
    },
    collectives: collectivesView(metrics.collectives),
    prefix_cache: { hit_tokens: metrics.cachedTokens, prompt_tokens: metrics.promptTokens },
    group: groupView(cluster),
    waiting: cluster.waiting ?? null,
    certificate: certificateView(cluster.certificate ?? null),
    speculation: engine.speculation === null ? null : speculationView(engine.speculation),
  }
}

function groupView({ group, epoch, metalFastSynch = false }: ClusterStatus): GroupView | null {
  if (group === undefined || group === null) return null
  const { transport, isGuarded, shares } = group
  return {
    transport,
    guarded: isGuarded,
    shares: shares.map((share) => round(share, 4)),
    metal_fast_synch: metalFastSynch,
    epoch,
  }
}

function certificateView(certificate: ClusterCertificate | null): CertificateView | null {
  if (certificate === null) return null
  const { mlxVersion, ...rest } = certificate
  return { ...rest, mlx_version: mlxVersion }
}

function speculationView(status: SpeculationStatus): SpeculationView {
  const { kind, proposedTokens, acceptedTokens, depth, active, resting } = status
  return {
    kind,
    proposed_tokens: proposedTokens,
    accepted_tokens: acceptedTokens,
    acceptance: proposedTokens === 0 ? null : round(acceptedTokens / proposedTokens, 3),
    depth: round(depth, 2),
    active,
    resting,
    switched_off: active === 0 && resting > 0,
  }
}

/** A rank that is started anew after a loss is disconnected until it is back: "starting" is for the first time. */
function nodeStatus(state: NodeState, epoch: number): NodeState {
  return state === "starting" && epoch > 1 ? "disconnected" : state
}

export function memoryView(memory: RankMemory): MemoryView {
  return {
    active_gb: round(memory.activeBytes / GB, 3),
    cache_gb: round(memory.cacheBytes / GB, 3),
    peak_gb: round(memory.peakBytes / GB, 3),
    total_gb: round(memory.totalBytes / GB, 3),
    used_gb: round((memory.totalBytes - memory.availableBytes) / GB, 3),
    model_gb: round(memory.modelBytes / GB, 3),
    kv_gb: round(memory.kvBytes / GB, 3),
    rss_gb: round(memory.rssBytes / GB, 3),
    os_gb: round(Math.max(0, memory.totalBytes - memory.availableBytes - memory.rssBytes) / GB, 3),
  }
}

function linkView(link: LinkStatus): LinkView {
  const ceiling = link.ceiling ?? null
  const bandwidth = link.bandwidthBytesPerSecond
  return {
    bandwidth_gbps: bandwidth === null ? null : round(bandwidth / GB, 3),
    latency_us: link.latencyUs === null ? null : round(link.latencyUs, 1),
    link_active: link.active,
    last_probe_s: link.lastProbeMs === null ? null : round(link.lastProbeMs / 1000, 1),
    share: bandwidth === null || ceiling === null ? null : Math.min(1, round(bandwidth / ceiling.bytesPerSecond, 3)),
    ceiling_gbps: ceiling === null ? null : round(ceiling.bytesPerSecond / GB, 3),
    ceiling_source: ceiling?.source ?? null,
    latency_p50_us: roundMaybe(link.latencyP50Us ?? null, 1),
    latency_p99_us: roundMaybe(link.latencyP99Us ?? null, 1),
    degraded: link.degraded ?? null,
  }
}

/** A collective is as slow as the worst link: that one stands for all. */
export function worstLink(links: readonly LinkStatus[]): LinkView {
  const down = links.find((link) => !link.active)
  const slowest = [...links].sort(
    (a, b) => (a.bandwidthBytesPerSecond ?? Infinity) - (b.bandwidthBytesPerSecond ?? Infinity),
  )[0]
  const chosen = down ?? slowest
  if (chosen === undefined)
    return { bandwidth_gbps: null, latency_us: null, link_active: false, last_probe_s: null, share: null }
  return linkView(chosen)
}

export function latencyView({ latencies }: Metrics): Snapshot["latency_ms"] {
  return {
    time_to_first_token: percentilesView(latencies.firstToken),
    inter_token: percentilesView(latencies.betweenTokens),
    request: percentilesView(latencies.request),
    queue: percentilesView(latencies.queue),
    prefill: percentilesView(latencies.prefill),
    step: percentilesView(latencies.step),
    collective: percentilesView(latencies.collective),
  }
}

function percentilesView(measure: Distribution): PercentilesView | null {
  const found = measure.percentiles()
  return found === null ? null : { p50: round(found.p50, 3), p90: round(found.p90, 3), p99: round(found.p99, 3) }
}

function collectivesView(totals: CollectiveTotals | null): Snapshot["collectives"] {
  if (totals === null) return null
  return {
    operations: totals.operations,
    bytes: totals.bytes,
    seconds: round(totals.seconds, 6),
    gbps_60s: totals.bytesPerSecond === null ? null : round(totals.bytesPerSecond / GB, 6),
    share_60s: roundMaybe(totals.share, 4),
  }
}

function roundMaybe(value: number | null, digits: number): number | null {
  return value === null ? null : round(value, digits)
}

function round(value: number, digits: number): number {
  const scale = 10 ** digits
  return Math.round(value * scale) / scale
}
