// What operators and machines ask: health, readiness, metrics, and the small JSON views of the dashboard's stores.

import { renderPrometheus } from "../prometheus.ts"
import { readiness } from "../readiness.ts"
import type { Route } from "../router.ts"
import { Health, Ready } from "../schemas/operations.ts"
import type { Services } from "../services.ts"
import { memoryView } from "../snapshot-builder.ts"
import { requestRoutes } from "./requests.ts"

const FRESH = { "cache-control": "no-store" } as const
const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

export function operationRoutes(services: Services): Route[] {
  const { engine, cluster, metrics, admission, settings } = services
  const view = (path: string, summary: string, value: () => unknown): Route => ({
    method: "GET",
    path,
    access: "key",
    doc: { summary, answer: "application/json" },
    handle: (exchange) => exchange.sendJson(200, value(), FRESH),
  })

  return [
    {
      method: "GET",
      path: "/health",
      access: "open",
      doc: { summary: "The front answers.", answer: Health },
      handle(exchange) {
        const status = engine.status()
        const health: Health = {
          ok: true,
          version: settings.version,
          uptime_s: Math.round(services.uptimeSeconds()),
          world_size: cluster().size,
          rank: 0,
          model: status.models[0]?.id ?? null,
          engine: status.state,
          queue_size: status.waiting,
          queue_max: status.capacity,
        }
        exchange.sendJson(200, health, FRESH)
      },
    },
    {
      method: "GET",
      path: "/ready",
      access: "open",
      doc: { summary: "200 when generation works, else 503 with the reason.", answer: Ready },
      handle(exchange) {
        const ready = readiness(services)
        if (ready.ready) exchange.sendJson(200, ready, FRESH)
        else exchange.sendJson(503, ready, { ...FRESH, "retry-after": "2" })
      },
    },
    {
      method: "GET",
      path: "/metrics",
      access: "key",
      doc: { summary: "Counters for Prometheus.", answer: PROMETHEUS_TYPE },
      handle(exchange) {
        const text = renderPrometheus({
          metrics,
          engine: engine.status(),
          cluster: cluster(),
          admission,
          uptimeSeconds: services.uptimeSeconds(),
          viewers: services.viewers.size,
          sockets: services.sockets.size,
          resumableStreams: services.streams.size,
        })
        exchange.send(200, PROMETHEUS_TYPE, text, FRESH)
      },
    },
    ...requestRoutes(services),
    view("/errors", "The newest errors of server and cluster, with cause and cure.", () => ({
      errors: metrics.errorLog(),
    })),
    view("/queue", "Requests waiting and running, and how many may.", () => {
      const { waiting, running, capacity } = engine.status()
      return { size: waiting, max: capacity, running, active: admission.active }
    }),
    view("/memory", "Memory of each rank, in gigabytes.", () =>
      Object.fromEntries(
        cluster().nodes.flatMap((node) => (node.memory === null ? [] : [[node.rank, memoryView(node.memory)]])),
      ),
    ),
    view("/cluster", "Ranks and links, how they are joined, their proof, and versions.", () => cluster()),
  ]
}
