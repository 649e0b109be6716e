// The route table of the whole server.

import type { Route } from "../router.ts"
import type { Services } from "../services.ts"
import { chatCompletionsRoute, createChatWork } from "./chat-completions.ts"
import { completionsRoute, createCompletionWork } from "./completions.ts"
import { dashboardRoutes } from "./dashboard.ts"
import { docsRoutes } from "./docs.ts"
import { logRoutes } from "./logs.ts"
import { modelRoutes } from "./models.ts"
import { operationRoutes } from "./operations.ts"
import { socketRoute } from "./socket.ts"
import { streamRoutes } from "./streams.ts"
import { tokenizeRoutes } from "./tokenize.ts"

export function createRoutes(services: Services): readonly Route[] {
  const chat = createChatWork(services)
  const completion = createCompletionWork(services)
  const routes = [
    chatCompletionsRoute(services, chat),
    completionsRoute(services, completion),
    socketRoute(services, { "/v1/chat/completions": chat, "/v1/completions": completion }),
    ...streamRoutes(services),
    ...tokenizeRoutes(services),
    ...modelRoutes(services),
    ...operationRoutes(services),
    ...logRoutes(services),
    ...dashboardRoutes(services),
  ]
  return [...routes, ...docsRoutes(routes, services.settings.version)]
}
