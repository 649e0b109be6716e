// Worker entry: reads and writes the files of KV blocks, so that no step waits for a disk.

import { type MessagePort, workerData } from "node:worker_threads"
import { type FolderAnswer, type FolderOrder, obey, openFolder } from "./kv-folder.ts"

// Given by kv-files.ts.
const { folder, port }: { readonly folder: string; readonly port: MessagePort } = workerData

function tell(answer: FolderAnswer | null): void {
  if (answer !== null) port.postMessage(answer, answer.kind === "read" ? [answer.data] : [])
}

port.on("message", (order: FolderOrder) => tell(obey(folder, order)))
tell(openFolder(folder))
