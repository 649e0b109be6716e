// Health, readiness and the error object.

import { type Static, Type } from "typebox"

export const ErrorBody = Type.Object(
  {
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      param: Type.Union([Type.String(), Type.Null()]),
      code: Type.Union([Type.String(), Type.Null()]),
    }),
  },
  { title: "Error" },
)

export const Health = Type.Object(
  {
    ok: Type.Boolean({ description: "The front answers. Says nothing of the engine: see /ready." }),
    version: Type.String(),
    uptime_s: Type.Number(),
    world_size: Type.Integer(),
    rank: Type.Integer(),
    model: Type.Union([Type.String(), Type.Null()]),
    engine: Type.String(),
    queue_size: Type.Integer(),
    queue_max: Type.Integer(),
  },
  { title: "Health" },
)
export type Health = Static<typeof Health>

export const Ready = Type.Object(
  { ready: Type.Boolean(), state: Type.String(), detail: Type.String(), models: Type.Array(Type.String()) },
  { title: "Ready" },
)
export type Ready = Static<typeof Ready>
