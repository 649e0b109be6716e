// A command line against a command's table. Every mistake is a UsageError of one line.

import { parseArgs } from "node:util"
import { type Command, type FlagValues, type Invocation, UsageError } from "./command.ts"

/** Flags that differ by at most this many letters are offered. */
const TYPO_DISTANCE = 2

export function parseCommandLine(command: Command, args: readonly string[]): Invocation {
  const options = Object.fromEntries(
    Object.entries(command.flags).map(([name, flag]) => [
      name,
      {
        type: flag.type,
        multiple: flag.multiple ?? false,
        ...(flag.short === undefined ? {} : { short: flag.short }),
      },
    ]),
  )
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: command.positionals,
      strict: true,
    })
    return { flags: values, positionals }
  } catch (error) {
    throw new UsageError(explain(command, args, error), { cause: error })
  }
}

function explain(command: Command, args: readonly string[], error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : ""
  if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
    const message = error instanceof Error ? error.message : ""
    const name = /'(-[^' ]*)/.exec(message)?.[1] ?? args[0] ?? ""
    const near = nearest(name.replace(/^-+/, ""), Object.keys(command.flags))
    return `unknown option ${name}${near === undefined ? "" : `; did you mean --${near}?`}`
  }
  if (code === "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL") return `${command.name} takes no further words`
  const first = error instanceof Error ? error.message.split("\n")[0] : String(error)
  return first ?? "the command line cannot be read"
}

/** The candidate that needs the fewest changed letters, if few are enough. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const [best] = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ distance, candidate }) => distance <= TYPO_DISTANCE && distance < candidate.length)
    .sort((a, b) => a.distance - b.distance)
  return best?.candidate
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** The text of a flag, undefined when it was not given. */
export function text(flags: FlagValues, name: string): string | undefined {
  const value = flags[name]
  return typeof value === "string" ? value : undefined
}

export function texts(flags: FlagValues, name: string): readonly string[] {
  const value = flags[name]
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : []
}

export function isSet(flags: FlagValues, name: string): boolean {
  return flags[name] === true
}

export interface Range {
  readonly least: number
  readonly most?: number
  readonly whole?: boolean
}

/** The number of a flag within its range. */
export function numeral(flags: FlagValues, name: string, range: Range): number | undefined {
  const value = text(flags, name)
  if (value === undefined) return undefined
  const number = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(value) ? Number(value) : Number.NaN
  const fits = number >= range.least && number <= (range.most ?? Number.MAX_SAFE_INTEGER)
  if (fits && (range.whole !== true || Number.isInteger(number))) return number
  const kind = range.whole === true ? "a whole number" : "a number"
  const bounds = range.most === undefined ? `from ${range.least}` : `from ${range.least} to ${range.most}`
  throw new UsageError(`--${name} takes ${kind} ${bounds}, not ${JSON.stringify(value)}`)
}

/** One of a few words. */
export function choice<T extends string>(flags: FlagValues, name: string, words: readonly T[]): T | undefined {
  const value = text(flags, name)
  if (value === undefined) return undefined
  const word = words.find((each) => each === value)
  if (word === undefined) throw new UsageError(`--${name} is one of ${words.join(", ")}, not ${JSON.stringify(value)}`)
  return word
}
