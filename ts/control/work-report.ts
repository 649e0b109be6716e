// RankWork as it stands in messages.

import type { RankWork } from "./cluster.ts"
import type { WireWork } from "./message.ts"

export function toWireWork(work: RankWork): WireWork {
  return {
    steps: work.steps,
    plans: work.plans,
    plan_encode_us: Math.round(work.planEncodeUs),
    plan_send_us: Math.round(work.planSendUs),
    plan_decode_us: Math.round(work.planDecodeUs),
    plans_in_time: work.plansInTime,
    plans_late: work.plansLate,
    beats: work.beats,
    beat_us: Math.round(work.beatUs),
    cpu_us: work.cpuUs,
  }
}

export function fromWireWork(work: WireWork): RankWork {
  return {
    steps: work.steps,
    plans: work.plans,
    planEncodeUs: work.plan_encode_us,
    planSendUs: work.plan_send_us,
    planDecodeUs: work.plan_decode_us,
    plansInTime: work.plans_in_time,
    plansLate: work.plans_late,
    beats: work.beats,
    beatUs: work.beat_us,
    cpuUs: work.cpu_us,
  }
}
