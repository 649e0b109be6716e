// The door of ts/operations: what an operator does to the machines of a hostfile. Starts no server.

export { bootstrapHost, type BootstrapResult } from "./bootstrap.ts"
export { examine, type Finding, type HostReport } from "./examination.ts"
export { type HostFacts, readHostFacts } from "./host-facts.ts"
export { downloadModel, readHubModel } from "./hub.ts"
export { isHubId, neededFiles } from "./hub-model.ts"
export { readInstallation, type Installation } from "./installation.ts"
export { remoteHost, type RemoteHost } from "./remote-host.ts"
export { readModelManifest, syncModel } from "./sync.ts"
