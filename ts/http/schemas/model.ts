// GET /v1/models and /v1/models/{id}.

import { type Static, Type } from "typebox"

export const Model = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal("model"),
    created: Type.Integer(),
    owned_by: Type.String(),
    root: Type.String({ description: "The served model that an alias stands for; else the id itself." }),
    parent: Type.Null(),
    max_model_len: Type.Integer({ description: "Context length in tokens." }),
    context_length: Type.Integer(),
    family: Type.String(),
    quantization: Type.String(),
    parameters: Type.Number(),
    size_bytes: Type.Number(),
    capabilities: Type.Array(Type.String()),
  },
  { title: "Model" },
)
export type Model = Static<typeof Model>

export const ModelList = Type.Object({ object: Type.Literal("list"), data: Type.Array(Model) }, { title: "ModelList" })
export type ModelList = Static<typeof ModelList>
