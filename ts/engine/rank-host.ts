// RankHost: owns the engine worker of a rank, its rings and its end. Runs in a rank process, or in the front itself for
// one-node use. Knows no model.

import { Piscina } from "piscina"
import { MessageChannel } from "node:worker_threads"
import { EngineError } from "./errors.ts"
import type { EngineLink } from "./link.ts"
import type { RankMeeting, RankPlace } from "./rank-place.ts"
import { createRingLink } from "./ring-link.ts"
import { allocateCommandRing, allocateTokenRing } from "./rings/index.ts"
import { type TokenHalfOptions, tokenHalfOptions } from "./token-half-options.ts"
import type { WorkerTask } from "./worker.ts"

export interface RankHost {
  readonly link: EngineLink
  readonly options: TokenHalfOptions
  /** Resolves when the worker has ended: null after close(), else why. */
  readonly ended: Promise<EngineError | null>
  /** Frees MLX and stops the worker. Open requests hear no more than that the link is lost. */
  close(): Promise<void>
}

/** The ranks that a model is split over, where there are several. */
export interface RankGroupPlace extends RankPlace {
  /** Told the port that this rank listens at; gives where all of them do. */
  readonly meet: (port: number) => Promise<RankMeeting>
}

/** A step, a prefill chunk or the load of a model may have to end first. */
const SHUTDOWN_MS = 10_000
/** After it, a thread that hangs in a native call is left to the end of the process. */
const TERMINATE_MS = 2000
const SEND_RETRY_MS = 20

export function createRankHost(given: Partial<TokenHalfOptions> = {}, group: RankGroupPlace | null = null): RankHost {
  const options = tokenHalfOptions(given)
  const { port1, port2 } = new MessageChannel()
  const ends = { commandMemory: allocateCommandRing(), tokenMemory: allocateTokenRing() }
  const link = createRingLink({ ...ends, port: port1 })
  const pool = new Piscina({
    filename: new URL("./worker.js", import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    // With "sync" an idle worker runs no timers; with any idle timeout MLX would change its thread.
    atomics: "disabled",
    idleTimeout: 2 ** 31 - 1,
  })
  const meeting = group === null ? null : openMeeting(group)
  const task: WorkerTask = { ...ends, port: port2, options, group: meeting }
  const transferList = meeting === null ? [port2] : [port2, meeting.port]
  const ended = pool.run(task, { transferList }).then(
    () => null,
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause)
      return new EngineError("engine_lost", `The engine worker ended: ${reason}`, { cause })
    },
  )
  const over = ended.then(() => link.lose())
  let closing: Promise<void> | null = null

  async function close(): Promise<void> {
    const deadline = performance.now() + SHUTDOWN_MS
    while (link.state !== "lost" && !link.send({ kind: "shutdown" }) && performance.now() < deadline) {
      await sleep(SEND_RETRY_MS)
    }
    await Promise.race([over, sleep(deadline - performance.now())])
    await link.close()
    await Promise.race([pool.destroy(), sleep(TERMINATE_MS)])
  }

  return {
    link,
    options,
    ended,
    close() {
      closing ??= close()
      return closing
    },
  }
}

/** The worker listens, this thread asks around, the worker connects. Its own deadline ends a meeting that fails. */
export function openMeeting({ meet, ...place }: RankGroupPlace): WorkerTask["group"] & object {
  const { port1, port2 } = new MessageChannel()
  port1.once("message", (port: number) => {
    meet(port).then(
      (found) => port1.postMessage(found),
      () => port1.close(),
    )
  })
  return { place, port: port2 }
}

/** A timer that does not keep the process alive by itself. */
function sleep(timeoutMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, timeoutMs)).unref())
}
