// createServer: joins gate, routes, stores and a ServerPort into the HTTP door of an engine. Listens, drains, closes.

import type { ClusterStatus } from "../control/index.ts"
import type { Engine } from "../engine/index.ts"
import { createAdmission } from "./admission.ts"
import { createApiKeys, readKeyFile } from "./api-keys.ts"
import { chooseServer } from "./choose-server.ts"
import { INCIDENTS, type IncidentCode } from "./error-cures.ts"
import { HttpError, reportError } from "./error-response.ts"
import { createConnectionCount } from "./connection-count.ts"
import { createGate, refuseOpenBind } from "./gate.ts"
import { createRuns } from "./generation-run.ts"
import { createHistograms } from "./histograms.ts"
import { LIMITS } from "./limits.ts"
import { createLogStore, type LogStore } from "./log-store.ts"
import { createMetrics } from "./metrics.ts"
import { type ServerOptions, withDefaults } from "./options.ts"
import { createRequestLog } from "./request-log.ts"
import { createResumableStreams } from "./resumable-streams.ts"
import { createRouter } from "./router.ts"
import { createRoutes } from "./routes/index.ts"
import type { ServerPort } from "./server-port.ts"
import type { Services } from "./services.ts"
import { createSocketHub } from "./socket-hub.ts"
import { buildSnapshot } from "./snapshot-builder.ts"
import { createTracer } from "./tracing.ts"
import { createViewerHub } from "./viewer-hub.ts"

export interface Server {
  /** Rejects when the address is taken. */
  listen(): Promise<{ host: string; port: number; server: ServerPort["kind"] }>
  /**
   * Takes no new work: /ready and new requests answer 503, the listen socket closes, streams go on. Resolves when all
   * have ended; at the deadline what is left gets an error. Idempotent.
   */
  drain(timeoutMs: number): Promise<void>
  /** What went wrong in the cluster, for the error log. */
  reportIncident(code: IncidentCode, cause: string): void
  /** Cuts everything. Idempotent. */
  close(): Promise<void>
}

export interface ServerParts {
  readonly engine: Engine
  readonly cluster: () => ClusterStatus
  readonly options?: ServerOptions
  /** One line, without a line break. */
  readonly log?: (line: string) => void
  /** What GET /logs shows; the owner of the log fills it. */
  readonly logs?: LogStore
}

/** Throws, before anything listens, when the options would open the server to others without a key. */
export function createServer({ engine, cluster, options = {}, log = () => {}, logs }: ServerParts): Server {
  const settings = withDefaults(options)
  const fromFile = settings.apiKeyFile === null ? [] : readKeyFile(settings.apiKeyFile)
  const keys = createApiKeys([...settings.keys, ...fromFile])
  refuseOpenBind(settings.host, keys, settings.insecure)

  const requestLog = settings.requestLog === null ? null : createRequestLog(settings.requestLog, log)
  const metrics = createMetrics(undefined, (request) => requestLog?.write(request))
  engine.onWork((work) => metrics.countWork(work))
  const connections = createConnectionCount(settings.maxConnections)
  const admission = createAdmission(() => engine.status(), settings.maxPerClient)
  const { otlpEndpoint, version } = settings
  const tracer = otlpEndpoint === null ? null : createTracer({ endpoint: otlpEndpoint, version, log })
  const runs = createRuns({
    engine,
    admission,
    metrics,
    stallMs: settings.requestTimeoutMs,
    logPrompts: settings.logPrompts,
    tracer,
  })
  const uptimeSeconds = () => (performance.now() - metrics.startedMs) / 1000
  const snapshot = () =>
    buildSnapshot(metrics, engine.status(), cluster(), { version: settings.version, uptimeSeconds: uptimeSeconds() })
  const streams = createResumableStreams({ windowMs: settings.resumeWindowMs, streamBytes: settings.resumeBytes })
  const sockets = createSocketHub()
  const viewers = createViewerHub({
    snapshot,
    histograms: createHistograms(metrics),
    intervalMs: LIMITS.snapshotMs,
    histogramTicks: LIMITS.histogramTicks,
  })
  const record = (code: string, message: string, requestId: string, error: unknown) => {
    metrics.logError(code, message, requestId, causeOf(error))
    log(`http: ${requestId} ${code}: ${oneLine(describe(error))}`)
  }
  const services: Services = {
    engine,
    cluster,
    settings,
    admission,
    metrics,
    runs,
    streams,
    sockets,
    viewers,
    snapshot,
    logs: logs ?? createLogStore(),
    uptimeSeconds,
    logError(error, requestId) {
      const report = reportError(error)
      record(report.code, report.message, requestId, error)
    },
  }
  const routes = createRoutes(services)
  const handler = createRouter({
    routes,
    gate: createGate({ ...settings, keys }),
    draining: () => admission.draining,
    crowded: () => connections.crowded,
    countResponse: (route, status) => metrics.countResponse(route, status),
    logError: record,
  })

  let port: ServerPort | undefined
  let draining: Promise<void> | undefined
  const drain = async (timeoutMs: number) => {
    admission.drain()
    port?.stopListening()
    sockets.drain()
    viewers.close()
    let deadline: NodeJS.Timeout | undefined
    const expired = new Promise<void>((resolve) => {
      deadline = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([runs.idle(), expired])
    clearTimeout(deadline)
    for (const run of runs.active) run.fail(new HttpError("draining"))
  }

  return {
    async listen() {
      const chosen = await chooseServer(
        settings.server,
        handler,
        {
          bodyLimit: settings.bodyLimit,
          connections,
          pendingLimit: settings.pendingLimit,
          socketPaths: routes.filter((route) => route.upgrade !== undefined).map((route) => route.path),
        },
        log,
      )
      try {
        const bound = await chosen.listen(settings.host, settings.port)
        port = chosen
        return { ...bound, server: chosen.kind }
      } catch (error) {
        await chosen.close()
        throw new Error(
          `cannot listen on ${settings.host} port ${settings.port} (${describe(error)}): choose another port or host`,
          { cause: error },
        )
      }
    },
    drain(timeoutMs) {
      draining ??= drain(timeoutMs)
      return draining
    },
    reportIncident(code, cause) {
      metrics.logError(code, INCIDENTS[code], null, oneLine(cause))
      viewers.refresh()
    },
    async close() {
      admission.drain()
      viewers.close()
      for (const run of runs.active) run.fail(new HttpError("draining"))
      sockets.close()
      streams.close()
      await port?.close()
      await requestLog?.close()
      await tracer?.close()
    },
  }
}

function causeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  // What nobody foresaw has a message that clients are not told; operators are.
  const unforeseen = reportError(error).code === "internal" && reportError(error).message !== error.message
  const cause = error.cause instanceof Error ? error.cause.message : null
  return unforeseen ? oneLine(describe(error)) : cause === null ? null : oneLine(cause)
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}

/** Text that a client had a hand in must not forge log lines. */
function oneLine(text: string): string {
  return text.slice(0, 1000).replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, " ")
}
