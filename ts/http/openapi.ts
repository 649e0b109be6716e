// The route table as an OpenAPI 3.1 document: the schemas are those that validate requests. Knows no route by name.

import type { TSchema } from "typebox"
import type { Route } from "./router.ts"
import { ErrorBody } from "./schemas/operations.ts"

export function openApiDocument(routes: readonly Route[], version: string): object {
  const schemas: Record<string, TSchema> = {}
  const refer = (schema: TSchema): object => {
    const title: unknown = Object.getOwnPropertyDescriptor(schema, "title")?.value
    if (typeof title !== "string") return schema
    schemas[title] = schema
    return { $ref: `#/components/schemas/${title}` }
  }
  const content = (answer: TSchema | string, event: TSchema | undefined) => ({
    ...(typeof answer === "string" ? { [answer]: {} } : { "application/json": { schema: refer(answer) } }),
    ...(event === undefined ? {} : { "text/event-stream": { schema: refer(event) } }),
  })
  const error = { description: "Error", content: { "application/json": { schema: refer(ErrorBody) } } }
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const wildcard = route.path.endsWith("/*")
    const path = wildcard ? `${route.path.slice(0, -1)}{id}` : route.path
    const parameters = [
      ...(wildcard ? [{ name: "id", in: "path", required: true, schema: { type: "string" } }] : []),
      ...Object.entries(route.doc.query ?? {}).map(([name, description]) => ({
        name,
        in: "query",
        description,
        schema: { type: "string" },
      })),
    ]
    const { body, messages } = route.doc
    const operation = {
      summary: route.doc.summary,
      operationId: `${route.method.toLowerCase()}${route.path.replaceAll(/[^a-zA-Z0-9]+/g, "_")}`,
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(body === undefined
        ? {}
        : { requestBody: { required: true, content: { "application/json": { schema: refer(body) } } } }),
      responses: { 200: { description: "OK", content: content(route.doc.answer, route.doc.event) }, default: error },
      ...(messages === undefined
        ? {}
        : { "x-websocket-messages": { client: refer(messages.client), server: refer(messages.server) } }),
      security: route.access === "open" ? [] : [{ bearer: [] }, { header: [] }],
    }
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation }
  }
  return {
    openapi: "3.1.0",
    info: { title: "mlx-jaccl-cluster", version, license: { name: "MIT", identifier: "MIT" } },
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        header: { type: "apiKey", in: "header", name: "x-api-key" },
      },
    },
  }
}
