// What a rank reports of its work: steps and step plans as the engine's notices last said, and its processor time.

import type { RankWork } from "./control/index.ts"
import type { EngineLink } from "./engine/index.ts"

export function createRankWork(link: Pick<EngineLink, "onNotice">): () => Omit<RankWork, "beats" | "beatUs"> {
  let steps = 0
  const plans = { plans: 0, encodeUs: 0, sendUs: 0, decodeUs: 0, inTime: 0, late: 0 }
  link.onNotice((notice) => {
    if (notice.type !== "statistics") return
    steps = notice.statistics.steps
    Object.assign(plans, notice.statistics.work.plans)
  })
  return () => {
    const { user, system } = process.cpuUsage()
    return {
      steps,
      plans: plans.plans,
      planEncodeUs: plans.encodeUs,
      planSendUs: plans.sendUs,
      planDecodeUs: plans.decodeUs,
      plansInTime: plans.inTime,
      plansLate: plans.late,
      cpuUs: user + system,
    }
  }
}
