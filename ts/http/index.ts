// The door of ts/http.

export { ERROR_TABLE, type ErrorCode } from "./error-response.ts"
export { LIMITS } from "./limits.ts"
export type { ServerOptions } from "./options.ts"
export { createServer, type Server, type ServerParts } from "./server.ts"
