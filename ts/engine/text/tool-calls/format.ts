// What a tool-call format is: how a family of models writes calls into its answer. One file a format beside this one.
// Knows no stream, no tokens, no wire format.

import type { ToolDefinition } from "../../generation.ts"

export type CallPart =
  /** A call begins. `id` where the format has its own. */
  | { readonly type: "start"; readonly name: string; readonly id?: string }
  /** JSON text of the arguments, in pieces that are final. */
  | { readonly type: "arguments"; readonly text: string }
  /** The call is whole. */
  | { readonly type: "end" }
  /**
   * The rest of the body is no call: it goes back into the content. From push only while no call has begun, and only if
   * more text could not change it; what stands after the start marker is then read as content.
   */
  | { readonly type: "reject"; readonly text: string }

/** Reads the body of one block, which is what stands between the markers. */
export interface CallReader {
  push(text: string): readonly CallPart[]
  /** The end marker came (`isClosed`), or the answer is over. */
  end(isClosed: boolean): readonly CallPart[]
}

export interface ToolCallFormat {
  readonly name: string
  /** Whether a chat template teaches this format. */
  matches(template: string): boolean
  /** Texts that begin a block. */
  readonly starts: readonly string[]
  /** Texts that end it; none: the block goes on to the end of the answer. */
  readonly ends: readonly string[]
  /** Further texts of the markup that may be control tokens. */
  readonly markers?: readonly string[]
  /** An answer that begins with this text is a block, too, and the text belongs to its body. */
  readonly bareStart?: string
  reader(tools: readonly ToolDefinition[]): CallReader
}
