// What a subcommand is. A command says what it takes; parse.ts reads it and help.ts shows it from the same table.

export interface Flag {
  readonly type: "string" | "boolean"
  /** What the value is called in the help, such as "<n>". */
  readonly value?: string
  readonly help: string
  readonly short?: string
  readonly multiple?: boolean
}

export type Flags = Readonly<Record<string, Flag>>
export type FlagValues = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>

export interface Invocation {
  readonly flags: FlagValues
  readonly positionals: readonly string[]
}

export interface Command {
  readonly name: string
  readonly summary: string
  /** What follows the name, such as "[options] <prompt>". */
  readonly usage: string
  readonly flags: Flags
  /** Whether words that are no flags may follow. */
  readonly positionals: boolean
  readonly examples: readonly (readonly [line: string, meaning: string])[]
  /** Further words of the help: exit codes, environment. */
  readonly notes?: readonly string[]
  /** Started by other commands, not by people: not in the list. */
  readonly internal?: boolean
  /** Resolves with the exit code. */
  run(invocation: Invocation): Promise<number>
}

/** 0: done. 1: it failed. 2: the command line is wrong. 130: interrupted. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** The command line is wrong; the message is one line. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** It could not be done; the message is one line that says what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError"
}
