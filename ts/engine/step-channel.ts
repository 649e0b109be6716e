// What rank 0 tells the other ranks so that they do as it does, in order: models, KV memory, step plans. Over the group's
// message sockets; the front never sees it. A frame: its number (u32), its kind (u32), then the words of a plan or JSON.

import type { NativeEngine } from "mlx-jaccl-rs"
import { EngineError } from "./errors.ts"
import type { PlanTotals } from "./link.ts"
import { decodePlan, encodePlan, type StepPlan } from "./scheduling/index.ts"

export type StepMessage =
  | {
      readonly kind: "load"
      readonly model: number
      /** On rank 0's machine. */
      readonly path: string
      /** Of rank 0's copy (checkpoint/model-signature.ts). */
      readonly signature: string
      readonly epoch: number
    }
  /** KV memory for so many positions; comes after the load, when rank 0 knows how many there are. */
  | { readonly kind: "store"; readonly model: number; readonly positions: number }
  | { readonly kind: "unload"; readonly model: number }
  | { readonly kind: "plan"; readonly plan: StepPlan }
  /** Of the plan that came last for this model, whose masked rows wait for them. */
  | { readonly kind: "masks"; readonly model: number; readonly masks: Int32Array }
  /** Two ranks measure the link between them while all others wait. */
  | {
      readonly kind: "probe"
      readonly from: number
      readonly to: number
      readonly bytes: number
      readonly rounds: number
    }
  /** Rank 0 leaves in good order. */
  | { readonly kind: "end" }

/** Append-only. */
const KINDS = ["load", "store", "unload", "plan", "end", "probe", "masks"] as const
const HEAD_WORDS = 2
/** Weights of a large model come from a slow disk. */
const LOAD_MS = 600_000

const noPlans = (): { -readonly [key in keyof PlanTotals]: number } => ({
  plans: 0,
  encodeUs: 0,
  sendUs: 0,
  decodeUs: 0,
  inTime: 0,
  late: 0,
})

type GroupCalls = Pick<NativeEngine, "groupSend" | "groupReceive">

/** Rank 0's end. */
export interface StepLeader {
  /** To every other rank. Throws when one is gone. */
  send(message: StepMessage): void
  readonly plans: PlanTotals
  /** Waits until every other rank has done what it was told to load. Throws with the words of the one that could not. */
  confirm(): void
}

/** `cpuUs`: processor time of the calling thread, so that waiting for a core or for the network is no own time. */
export function createStepLeader(engine: GroupCalls, size: number, cpuUs: () => number): StepLeader {
  let sent = 0
  const plans = noPlans()
  const others = Array.from({ length: size - 1 }, (_, i) => i + 1)
  return {
    plans,
    send(message) {
      const beganUs = cpuUs()
      const frame = encode(sent++, message)
      const encodedUs = cpuUs()
      for (const rank of others) engine.groupSend(rank, frame)
      if (message.kind !== "plan") return
      plans.plans += 1
      plans.encodeUs += encodedUs - beganUs
      plans.sendUs += cpuUs() - encodedUs
    },
    confirm() {
      const reasons = others.map((rank) => {
        const answer = engine.groupReceive(rank, LOAD_MS)
        if (answer === null) throw new EngineError("engine_lost", `Rank ${rank} did not load within ${LOAD_MS} ms.`)
        const reason = Buffer.from(answer).toString("utf8")
        return reason === WELL ? null : `rank ${rank}: ${reason}`
      })
      const failed = reasons.find((reason) => reason !== null)
      if (failed !== undefined) throw new EngineError("model_unreadable", failed)
    },
  }
}

const WELL = "ok"

/** The end of every other rank. */
export interface StepFollower {
  /** The next message, or null when none came in time. Throws when one is missing or rank 0 is gone. */
  receive(timeoutMs: number): StepMessage | null
  /** Whether the last message was there before it was asked for. */
  readonly wasThere: boolean
  /** Whether the last plan came before the step before it had ended. */
  judge(isInTime: boolean): void
  readonly plans: PlanTotals
  /** Answers a load: null when it went well. */
  answer(reason: string | null): void
}

/** `cpuUs`: as for createStepLeader. */
export function createStepFollower(engine: GroupCalls, cpuUs: () => number): StepFollower {
  let received = 0
  let wasThere = false
  const plans = noPlans()
  return {
    plans,
    get wasThere() {
      return wasThere
    },
    judge(isInTime) {
      if (isInTime) plans.inTime += 1
      else plans.late += 1
    },
    receive(timeoutMs) {
      const beganUs = cpuUs()
      const early = engine.groupReceive(0, 0)
      wasThere = early !== null
      const frame = early ?? engine.groupReceive(0, timeoutMs)
      if (frame === null) return null
      const message = decode(frame, received++)
      if (message.kind === "plan") {
        plans.plans += 1
        plans.decodeUs += cpuUs() - beganUs
      }
      return message
    },
    answer: (reason) => engine.groupSend(0, Buffer.from(reason ?? WELL, "utf8")),
  }
}

function encode(number: number, message: StepMessage): Uint8Array {
  const head = Int32Array.of(number, KINDS.indexOf(message.kind))
  return Buffer.concat([bytesOf(head), bodyOf(message)])
}

function bodyOf(message: StepMessage): Uint8Array {
  if (message.kind === "plan") return bytesOf(encodePlan(message.plan))
  if (message.kind === "masks") return Buffer.concat([bytesOf(Int32Array.of(message.model)), bytesOf(message.masks)])
  return Buffer.from(JSON.stringify(message), "utf8")
}

function decode(frame: Uint8Array, expected: number): StepMessage {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const bad = (what: string): EngineError => new EngineError("internal", `A message of rank 0 ${what}.`)
  const headBytes = HEAD_WORDS * Int32Array.BYTES_PER_ELEMENT
  if (frame.byteLength < headBytes) throw bad(`has ${frame.byteLength} bytes`)
  const number = view.getInt32(0, true)
  if (number !== (expected | 0)) throw bad(`has number ${number}, but ${expected} is the next: one was lost`)
  const kind = KINDS[view.getInt32(4, true)]
  if (kind === undefined) throw bad("is of an unknown kind")
  const body = frame.slice(headBytes)
  if (kind === "plan" || kind === "masks") {
    if (body.byteLength % Int32Array.BYTES_PER_ELEMENT !== 0) throw bad(`has no whole ${kind}`)
    const words = new Int32Array(body.buffer, 0, body.byteLength / Int32Array.BYTES_PER_ELEMENT)
    return kind === "plan"
      ? { kind, plan: decodePlan(words) }
      : { kind, model: words[0] ?? 0, masks: words.subarray(1) }
  }
  // Both ends are one program of one version, behind the group's nonce.
  return JSON.parse(Buffer.from(body).toString("utf8")) as StepMessage
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
}
