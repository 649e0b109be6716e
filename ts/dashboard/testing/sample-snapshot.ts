// Snapshots for tests: a busy cluster of one to four nodes, and text that must never become markup.

import type { Snapshot } from "../snapshot.ts"

/** What a hostile client could put in any text. */
export const HOSTILE = `<img src=x onerror="alert(1)">'&\n</script>`

const HOSTS = ["mac.home", "mac2.home", "studio.local", "mini"]

/** A snapshot of `size` nodes under load, all healthy; `change` replaces fields of it. */
export function sampleSnapshot(size: number, change: Partial<Snapshot> = {}): Snapshot {
  const ranks = Array.from({ length: size }, (_, rank) => rank)
  return {
    uptime_s: 8040,
    total_requests: 1423,
    total_tokens: 182_947,
    avg_tps_60s: 62.3,
    peak_tps_60s: 71.8,
    avg_latency_60s: 4.12,
    queue_size: 3,
    queue_max: 8,
    running: 2,
    history: Array.from({ length: 60 }, (_, second) => 50 + (second % 20)),
    memory: Object.fromEntries(ranks.map((rank) => [rank, memoryOf(24)])),
    rdma: { bandwidth_gbps: 7.92, latency_us: 26.1, link_active: true, last_probe_s: 3, share: 0.99 },
    links: ranks.flatMap((from) =>
      ranks
        .filter((to) => to > from)
        .map((to) => ({
          from,
          to,
          label: `rdma_en${4 + to}`,
          bandwidth_gbps: 7.92,
          latency_us: 26.1,
          link_active: true,
          last_probe_s: 3,
          share: 0.99,
        })),
    ),
    nodes: Object.fromEntries(
      ranks.map((rank) => [
        rank,
        { status: "active", hostname: HOSTS[rank] ?? `host-${rank}`, last_heartbeat_s: rank, detail: "" },
      ]),
    ),
    model: {
      id: "mlx-community/Qwen3-4B-4bit",
      family: "qwen3",
      quantization: "4-bit",
      size_gb: 2.26,
      context_length: 40_960,
    },
    state: "ready",
    detail: "",
    version: "0.1.0",
    world_size: size,
    requests: [request("chatcmpl-1", 1_700_000_000_000, "ok"), request("chatcmpl-2", 1_700_000_001_000, "slow")],
    errors: [
      {
        time: 1_700_000_002_000,
        code: "rank_lost",
        message: "Rank 1 is lost.",
        request_id: "chatcmpl-2",
        cause: "ended by SIGKILL",
        cure: "It starts again by itself.",
      },
    ],
    latency_ms: {
      time_to_first_token: { p50: 84, p90: 140, p99: 412 },
      inter_token: { p50: 15.9, p90: 17.2, p99: 24.8 },
      request: { p50: 2060, p90: 4100, p99: 9020 },
      queue: { p50: 0.4, p90: 21, p99: 180 },
      prefill: { p50: 31, p90: 96, p99: 240 },
      step: { p50: 15.2, p90: 16.1, p99: 22.5 },
      collective: size > 1 ? { p50: 1.9, p90: 2.4, p99: 4.8 } : null,
    },
    speed_tps: { prefill: { p50: 1290, p90: 2140, p99: 2600 }, decode: { p50: 62.4, p90: 64.1, p99: 66 } },
    collectives:
      size > 1 ? { operations: 412_000, bytes: 6.2e9, seconds: 21.4, gbps_60s: 0.29, share_60s: 0.125 } : null,
    group:
      size > 1
        ? {
            transport: "jaccl-mesh",
            guarded: true,
            shares: ranks.map(() => 1 / size),
            metal_fast_synch: false,
            epoch: 1,
          }
        : null,
    waiting: size > 1 ? { shares: ranks.map((rank) => 0.12 - rank / 40), straggler: size - 1 } : null,
    certificate:
      size > 1
        ? {
            proof: "one rank",
            ranks: size,
            backend: "metal",
            mlx_version: "0.32.4",
            hash: "02ac79de9f286abcd90969d30731ff36eb365d5a6fe427c769db0034a6e4c4cd",
            tokens: 16,
            agreeing: 16,
            time: 1_700_000_000_000,
          }
        : null,
    prefill_tps_60s: 1240.5,
    decode_tps_60s: 62.4,
    prefix_cache: { hit_tokens: 41_200, prompt_tokens: 98_304 },
    speculation: {
      kind: "draft",
      proposed_tokens: 12_480,
      accepted_tokens: 9_110,
      acceptance: 0.73,
      depth: 3.4,
      active: 2,
      resting: 1,
      switched_off: false,
    },
    ...change,
  }
}

/** Memory of a host of 100 GB of which `used` are in use. */
export function memoryOf(used: number): Snapshot["memory"][string] {
  return {
    active_gb: 14.2,
    cache_gb: 1.5,
    peak_gb: 16.3,
    total_gb: 100,
    used_gb: used,
    model_gb: 14.2,
    kv_gb: 2.1,
    rss_gb: 15.6,
    os_gb: Math.max(0, used - 15.6),
  }
}

function request(id: string, time: number, status: string): Snapshot["requests"][number] {
  return {
    id,
    time,
    kind: "chat",
    prompt_tokens: 40,
    cached_tokens: 16,
    completion_tokens: 128,
    drafted_tokens: 0,
    accepted_tokens: 0,
    ttft_ms: 84,
    latency_ms: 2060,
    generation_tps: 62.1,
    status,
    finish_reason: "stop",
    prefill_tps: 1240.5,
    timeline: { queued_ms: 1.2, prefill_ms: 4, first_token_ms: 84, end_ms: 2060 },
    error: null,
    prompt: null,
  }
}

/** Hostile text in every place that holds text. */
export function hostileSnapshot(): Snapshot {
  const sample = sampleSnapshot(2)
  const node = { status: HOSTILE, hostname: HOSTILE, last_heartbeat_s: 1, detail: HOSTILE }
  return {
    ...sample,
    nodes: { 0: node, 1: node },
    links: sample.links.map((link) => ({ ...link, label: HOSTILE, bandwidth_gbps: null })),
    model: { id: HOSTILE, family: HOSTILE, quantization: HOSTILE, size_gb: 1, context_length: 1 },
    state: HOSTILE,
    detail: HOSTILE,
    version: HOSTILE,
    requests: sample.requests.map((each) => ({
      ...each,
      id: HOSTILE,
      kind: HOSTILE,
      status: HOSTILE,
      finish_reason: HOSTILE,
      error: HOSTILE,
      prompt: HOSTILE,
    })),
    errors: [{ time: 0, code: HOSTILE, message: HOSTILE, request_id: HOSTILE, cause: HOSTILE, cure: HOSTILE }],
  }
}
