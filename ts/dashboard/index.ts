// The door of ts/dashboard: data in, HTML out. No clock, no input or output after import.

export { type PageOptions, renderPage, renderPanels } from "./page.ts"
export type {
  CertificateView,
  GroupView,
  ErrorView,
  LinkView,
  MemoryView,
  NodeView,
  PercentilesView,
  CacheDivergenceView,
  RequestView,
  Snapshot,
  SpeculationView,
} from "./snapshot.ts"
export { type StaticFile, staticFiles } from "./static-files.ts"
