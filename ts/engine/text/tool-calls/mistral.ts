// Mistral: [TOOL_CALLS]name[ARGS]{...}, repeated, and the older [TOOL_CALLS][{"name": ..., "arguments": {...}}].

import type { ToolDefinition } from "../../generation.ts"
import type { CallPart, CallReader, ToolCallFormat } from "./format.ts"
import { createJsonCallReader, createObjectScanner, knownNames, passObject } from "./json-call.ts"

/** name[ARGS]{ or name[CALL_ID]id[ARGS]{ or name{ */
const HEADER = /^[\s,]*([^\s[\]{}]+)(?:\[CALL_ID\]([^\s[\]{}]+))?\s*(?:\[ARGS\])?\s*(?=\{)/

export const mistral: ToolCallFormat = {
  name: "mistral",
  matches: (template) => template.includes("[TOOL_CALLS]"),
  starts: ["[TOOL_CALLS]"],
  // The marker is repeated before each call: it ends one block and begins the next.
  ends: [],
  markers: ["[ARGS]", "[CALL_ID]"],
  reader: createMistralReader,
}

function createMistralReader(tools: readonly ToolDefinition[]): CallReader {
  const names = knownNames(tools)
  const list = createJsonCallReader(tools)
  let kind: "unknown" | "list" | "named" = "unknown"
  let text = ""
  let scanner: ReturnType<typeof createObjectScanner> | null = null

  function step(parts: CallPart[]): boolean {
    if (scanner !== null) {
      const rest = passObject(scanner, text, parts)
      text = rest ?? ""
      if (rest === null) return false
      scanner = null
      return true
    }
    text = text.replace(/^\s*\[TOOL_CALLS\]/, "")
    const header = HEADER.exec(text)
    const name = header?.[1]
    if (header === null || name === undefined || !names.has(name)) return false
    parts.push({ type: "start", name, ...(header[2] !== undefined && { id: header[2] }) })
    text = text.slice(header[0].length)
    scanner = createObjectScanner()
    return true
  }

  return {
    push(more) {
      if (kind === "list") return list.push(more)
      text += more
      if (kind === "unknown" && text.trim() !== "") kind = /^\s*[[{]/.test(text) ? "list" : "named"
      if (kind === "list") return list.push(text)
      const parts: CallPart[] = []
      if (kind === "named") while (step(parts)) {}
      return parts
    },
    end(isClosed) {
      if (kind === "list") return list.end(isClosed)
      return scanner !== null || text.trim() === "" ? [] : [{ type: "reject", text }]
    },
  }
}
