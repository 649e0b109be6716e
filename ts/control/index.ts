// The door of ts/control.

export type { ClusterStatus, LinkStatus, NodeState, NodeStatus, RankMemory } from "./cluster.ts"
