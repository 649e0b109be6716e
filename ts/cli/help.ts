// Help, written from the commands' tables.

import type { Command, Flag } from "./command.ts"

const PROGRAM = "mlx-cluster"
const MARGIN = "  "
/** A left column wider than this gets a line of its own. */
const COLUMN_MAX = 30

function twoColumns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(COLUMN_MAX, Math.max(...rows.map(([left]) => left.length)))
  return rows.map(([left, right]) =>
    left.length > width
      ? `${MARGIN}${left}\n${MARGIN}${" ".repeat(width)}  ${right}`
      : `${MARGIN}${left.padEnd(width)}  ${right}`,
  )
}

function flagColumn(name: string, flag: Flag): string {
  const value = flag.value === undefined ? "" : ` ${flag.value}`
  return `${flag.short === undefined ? "" : `-${flag.short}, `}--${name}${value}`
}

export function commandHelp(command: Command): string {
  const flags = Object.entries(command.flags).map(([name, flag]) => [flagColumn(name, flag), flag.help] as const)
  return [
    `${PROGRAM} ${command.name}: ${command.summary}`,
    "",
    `Usage: ${[PROGRAM, command.name, command.usage].filter((part) => part !== "").join(" ")}`,
    "",
    "Options:",
    ...twoColumns([...flags, ["-h, --help", "show this help"]]),
    ...(command.examples.length === 0
      ? []
      : [
          "",
          "Examples:",
          ...command.examples.flatMap(([line, meaning]) => [`${MARGIN}# ${meaning}`, `${MARGIN}${line}`]),
        ]),
    ...(command.notes === undefined ? [] : ["", ...command.notes]),
    "",
  ].join("\n")
}

export function programHelp(commands: readonly Command[]): string {
  const shown = commands.filter((command) => command.internal !== true)
  return [
    `${PROGRAM}: an inference server for one to four machines that run MLX`,
    "",
    `Usage: ${PROGRAM} <command> [options]`,
    "",
    "Commands:",
    ...twoColumns(shown.map((command) => [command.name, command.summary] as const)),
    "",
    `${PROGRAM} <command> --help shows a command's options and examples.`,
    "",
  ].join("\n")
}
