// The command `mlx-cluster`: finds the subcommand and turns errors into one line and an exit code.

import { bootstrap } from "./bootstrap.ts"
import { type Command, EXIT, UsageError } from "./command.ts"
import { dashboard } from "./dashboard.ts"
import { down } from "./down.ts"
import { doctor } from "./doctor.ts"
import { download } from "./download.ts"
import { generate } from "./generate.ts"
import { commandHelp, programHelp } from "./help.ts"
import { logs } from "./logs.ts"
import { models } from "./models.ts"
import { monitor } from "./monitor.ts"
import { nearest, parseCommandLine } from "./parse.ts"
import { rank } from "./rank.ts"
import { rdmaTest } from "./rdma-test.ts"
import { serve } from "./serve.ts"
import { setup } from "./setup.ts"
import { status } from "./status.ts"
import { sync } from "./sync.ts"
import { top } from "./top.ts"
import { up } from "./up.ts"
import { verify } from "./verify.ts"
import { version } from "./version.ts"

const COMMANDS: readonly Command[] = [
  serve,
  up,
  down,
  status,
  monitor,
  top,
  logs,
  dashboard,
  generate,
  models,
  download,
  setup,
  doctor,
  bootstrap,
  sync,
  rdmaTest,
  verify,
  version,
  rank,
]

const isHelp = (word: string | undefined) => word === "--help" || word === "-h" || word === "help"

/** Whether the flags, up to a "--", ask for help. */
function asksHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--")
  return (end < 0 ? args : args.slice(0, end)).some((word) => word === "--help" || word === "-h")
}

async function runCommand(name: string, args: readonly string[]): Promise<number> {
  const command = COMMANDS.find((each) => each.name === name)
  if (command === undefined) {
    const near = nearest(
      name,
      COMMANDS.filter((each) => each.internal !== true).map((each) => each.name),
    )
    const what = name.startsWith("-") ? "unknown option" : "unknown command"
    throw new UsageError(`${what} ${name}${near === undefined ? "" : `; did you mean ${near}?`}`)
  }
  if (asksHelp(args)) {
    process.stdout.write(commandHelp(command))
    return EXIT.ok
  }
  return command.run(parseCommandLine(command, args))
}

/** An error may say how the process is to end. */
function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage
  const code = error instanceof Error && "exitCode" in error ? error.exitCode : EXIT.failed
  return typeof code === "number" ? code : EXIT.failed
}

/** Runs a command line, without the program's name, and resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || isHelp(name)) {
    const about = COMMANDS.find((command) => command.name === rest[0])
    process.stdout.write(about === undefined ? programHelp(COMMANDS) : commandHelp(about))
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  try {
    return await runCommand(name === "--version" || name === "-v" ? "version" : name, rest)
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, " ")
    const known = COMMANDS.some((command) => command.name === name)
    const hint = error instanceof UsageError ? ` (see mlx-cluster${known ? ` ${name}` : ""} --help)` : ""
    process.stderr.write(`mlx-cluster: ${message}${hint}\n`)
    if (process.env["MLX_CLUSTER_DEBUG"] && error instanceof Error) process.stderr.write(`${error.stack ?? ""}\n`)
    return exitCodeOf(error)
  }
}
