// The door of ts/control.

export { systemClock, type Clock } from "./clock.ts"
export type {
  ClusterCertificate,
  ClusterStatus,
  ClusterWaiting,
  LinkCeiling,
  LinkStatus,
  NodeState,
  NodeStatus,
  RankMemory,
  RankWork,
} from "./cluster.ts"
export type { RankConnection } from "./coordinator.ts"
export { ControlError, type ControlErrorCode } from "./errors.ts"
export { hostsAmong, readHostfile, type Backend, type Host, type Hostfile } from "./hostfile.ts"
export { createLinkHealth } from "./link-health.ts"
export { createLocalLauncher, type RankLauncher, type RankProcess } from "./launch.ts"
export { RANK_STOP_GRACE_MS } from "./limits.ts"
export { connectPeer, type Peer, type PeerOptions } from "./peer.ts"
export { runRankGuard } from "./rank-guard.ts"
export {
  startRankGroup,
  type RankGroup,
  type RankGroupDeadlines,
  type RankGroupEvents,
  type RankGroupOptions,
} from "./rank-group.ts"
export { readRankSpec, type RankSpec } from "./rank-spec.ts"
export type { ShrinkOptions } from "./shrinking.ts"
export { createStragglerMeter } from "./straggler.ts"
export { loadSecret } from "./secret.ts"
export type { PayloadPath } from "./session.ts"
export { quote, quoteFolder, remoteProgram, remoteScript } from "./ssh.ts"
export { runOverSsh, type SshResult } from "./ssh-run.ts"
export { createSshLauncher } from "./ssh-launcher.ts"
export { tcpTransport } from "./tcp-transport.ts"
export type { Topology, TopologyLink } from "./topology.ts"
export type { Address, Transport } from "./transport.ts"
export { withRdmaCure } from "./rdma-cures.ts"
