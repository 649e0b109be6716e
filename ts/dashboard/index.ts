// The door of ts/dashboard: data in, HTML out. No clock, no input or output.

export type { ErrorView, LinkView, MemoryView, NodeView, RequestView, Snapshot } from "./snapshot.ts"
