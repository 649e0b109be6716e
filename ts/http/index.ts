// The door of ts/http.

export type { ErrorCode } from "./error-response.ts"
export { createLogStore, type LogStore } from "./log-store.ts"
export type { ServerOptions } from "./options.ts"
export { createServer, type Server, type ServerParts } from "./server.ts"
