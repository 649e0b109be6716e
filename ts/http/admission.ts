// Who may start a generation now: the bound of all requests, the bound of one client, the engine's state, the drain.
// Knows no wire format; a refusal is an HttpError.

import type { EngineStatus } from "../engine/index.ts"
import { HttpError, type ErrorCode } from "./error-response.ts"

export interface Ticket {
  /** Idempotent. */
  release(): void
}

export interface Admission {
  readonly active: number
  readonly draining: boolean
  /** Refusals so far, by code. */
  readonly refusals: ReadonlyMap<ErrorCode, number>
  drain(): void
  /** Throws draining, engine_unavailable, too_many_requests or overloaded without taking a place. */
  check(client: string): void
  /** `places`: engine requests that this HTTP request becomes. */
  take(client: string, places: number): Ticket
}

export function createAdmission(status: () => EngineStatus, maxPerClient: number): Admission {
  const perClient = new Map<string, number>()
  const refusals = new Map<ErrorCode, number>()
  let active = 0
  let draining = false

  const refuse = (code: ErrorCode, message?: string): never => {
    refusals.set(code, (refusals.get(code) ?? 0) + 1)
    throw new HttpError(code, message)
  }
  const check = (client: string, places: number) => {
    if (draining) refuse("draining")
    const engine = status()
    if (engine.state !== "ready")
      refuse("engine_unavailable", `The engine is not ready: ${engine.detail || engine.state}.`)
    const own = perClient.get(client) ?? 0
    if (maxPerClient > 0 && own + places > maxPerClient)
      refuse("too_many_requests", `This client has ${own} of ${maxPerClient} requests allowed at the same time.`)
    if (active + places > engine.capacity)
      refuse("overloaded", `The server has ${active} of ${engine.capacity} requests it can hold. Try again.`)
  }

  return {
    get active() {
      return active
    },
    get draining() {
      return draining
    },
    refusals,
    drain() {
      draining = true
    },
    check: (client) => check(client, 1),
    take(client, places) {
      check(client, places)
      active += places
      perClient.set(client, (perClient.get(client) ?? 0) + places)
      let held = true
      return {
        release() {
          if (!held) return
          held = false
          active -= places
          const left = (perClient.get(client) ?? 0) - places
          if (left > 0) perClient.set(client, left)
          else perClient.delete(client)
        },
      }
    },
  }
}
