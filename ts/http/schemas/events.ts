// What GET /events sends over a WebSocket. The snapshot's fields are those of ts/dashboard/snapshot.ts.

import { Type } from "typebox"

const Histogram = Type.Object({
  unit: Type.String({ description: "ms or tokens/s" }),
  count: Type.Integer(),
  hdr: Type.String({ description: "HdrHistogram V2, compressed, base64; its unit is 1/1000 of `unit`." }),
})

export const EventsMessage = Type.Object(
  {
    type: Type.Literal("snapshot"),
    snapshot: Type.Unknown({ description: "The v2 snapshot, as the unnamed events of the SSE stream." }),
    histograms: Type.Optional(Type.Record(Type.String(), Histogram, { description: "In the first, then every 5 s." })),
  },
  { title: "EventsMessage" },
)

export const EventsClientMessage = Type.Never({ title: "EventsClientMessage", description: "Nothing is expected." })
