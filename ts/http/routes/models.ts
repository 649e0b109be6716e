// GET /v1/models and /v1/models/{id}. Ids may hold slashes, plain or as %2F.

import type { ModelInfo } from "../../engine/index.ts"
import { resolveModel } from "../generation-fields.ts"
import type { Route } from "../router.ts"
import { Model, ModelList } from "../schemas/model.ts"
import type { Services } from "../services.ts"

export function modelRoutes(services: Services): Route[] {
  return [
    {
      method: "GET",
      path: "/v1/models",
      access: "key",
      doc: { summary: "The models served.", answer: ModelList },
      handle(exchange) {
        const { models } = services.engine.status()
        const aliases = Object.entries(services.settings.aliases).flatMap(([alias, id]) => {
          const model = models.find((one) => one.id === id)
          return model === undefined ? [] : [modelObject(model, alias)]
        })
        const list: ModelList = { object: "list", data: [...models.map((model) => modelObject(model)), ...aliases] }
        exchange.sendJson(200, list)
      },
    },
    {
      method: "GET",
      path: "/v1/models/*",
      access: "key",
      doc: { summary: "One model.", answer: Model },
      handle(exchange) {
        const settings = { aliases: services.settings.aliases, acceptAnyModel: false }
        const model = resolveModel(exchange.rest, services.engine.status().models, settings)
        exchange.sendJson(200, modelObject(model, exchange.rest))
      },
    },
  ]
}

/** `name`: under which it answers, its own or an alias. */
function modelObject(model: ModelInfo, name = model.id): Model {
  return {
    id: name,
    object: "model",
    created: model.loadedAt,
    owned_by: "mlx-jaccl-cluster",
    root: model.id,
    parent: null,
    max_model_len: model.contextLength,
    context_length: model.contextLength,
    family: model.family,
    quantization: model.quantization,
    parameters: model.parameters,
    size_bytes: model.sizeBytes,
    capabilities: [...model.capabilities],
  }
}
