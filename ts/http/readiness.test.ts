import t from "tap"
import type { NodeState } from "../control/index.ts"
import { createAdmission } from "./admission.ts"
import { readiness } from "./readiness.ts"
import { createScriptedEngine } from "./testing/scripted-engine.ts"
import { SCRIPTED_CLUSTER } from "./testing/start-server.ts"

/** With the second rank in a state. */
function clusterOf(state: NodeState, detail: string): typeof SCRIPTED_CLUSTER {
  const nodes = SCRIPTED_CLUSTER.nodes.map((node) => (node.rank === 1 ? { ...node, state, detail } : node))
  return { ...SCRIPTED_CLUSTER, nodes }
}

t.test("not ready names the rank that the others wait for", async (t) => {
  const engine = createScriptedEngine()
  const admission = createAdmission(() => engine.status(), 8)
  const detailOf = (state: NodeState, detail: string) =>
    readiness({ engine, admission, cluster: () => clusterOf(state, detail) })
  t.match(detailOf("active", ""), { ready: true })
  const host = SCRIPTED_CLUSTER.nodes[1]?.hostname
  t.match(detailOf("disconnected", "silent"), {
    ready: false,
    detail: `rank 1 on ${host} is disconnected: silent`,
  })
  engine.setState("lost", "The rank process is restarting.")
  t.match(detailOf("starting", "started as process 7"), {
    ready: false,
    detail: `The rank process is restarting. (rank 1 on ${host} is starting: started as process 7)`,
  })
  t.equal(detailOf("active", "").detail, "The rank process is restarting.")
})
