// `mlx-cluster rdma-test`: checks and measures the links between the ranks, over whatever transport serving would take.

import { type Command, CommandError, EXIT, UsageError } from "./command.ts"
import { STATE_FLAG } from "./background-server.ts"
import { HOST_FLAGS, hostsOf, TRANSPORT_FLAG } from "./hosts.ts"
import { isSet, numeral, text } from "./parse.ts"
import { type Paint, paintFor } from "./terminal.ts"
import type { LinkGroup, LinkMeasure } from "../link-test.ts"

const KINDS = ["quick", "correctness", "latency", "bandwidth", "stress"] as const
type Kind = (typeof KINDS)[number]

const KIB = 1024
const MIB = 1024 * KIB
const STRESS_DEFAULT_S = 60
const WARM_UP = 5

interface Row extends LinkMeasure {
  readonly test: "latency" | "bandwidth" | "correctness" | "stress"
}

/** What a test of a kind does, in order. */
const PLANS: Readonly<
  Record<Exclude<Kind, "stress">, readonly (readonly [Row["test"], bytes: number, repeats: number])[]>
> = {
  quick: [
    ["correctness", 64 * KIB, 3],
    ["latency", 4 * KIB, 50],
    ["bandwidth", 4 * MIB, 20],
  ],
  correctness: [
    ["correctness", KIB, 20],
    ["correctness", 4 * KIB, 20],
    ["correctness", 33 * KIB, 10],
    ["correctness", 256 * KIB, 10],
    ["correctness", 4 * MIB, 4],
    ["correctness", 16 * MIB, 2],
  ],
  latency: [
    ["latency", KIB, 200],
    ["latency", 4 * KIB, 200],
    ["latency", 32 * KIB, 200],
    ["latency", 256 * KIB, 100],
  ],
  bandwidth: [
    ["bandwidth", 256 * KIB, 50],
    ["bandwidth", MIB, 30],
    ["bandwidth", 4 * MIB, 20],
    ["bandwidth", 16 * MIB, 10],
    ["bandwidth", 64 * MIB, 5],
  ],
}

export const rdmaTest: Command = {
  name: "rdma-test",
  summary: "check and measure the links between the hosts (JACCL or TCP)",
  usage: "[options] [quick|correctness|latency|bandwidth|stress]",
  flags: {
    seconds: { type: "string", value: "<s>", help: `how long stress goes on (default ${STRESS_DEFAULT_S})` },
    "local-ranks": { type: "string", value: "<n>", help: "between processes of this machine, 2 to 4" },
    json: { type: "boolean", help: "the measures as JSON, one line" },
    ...STATE_FLAG,
    ...TRANSPORT_FLAG,
    ...HOST_FLAGS,
  },
  positionals: true,
  examples: [
    ["mlx-cluster rdma-test", "quick: right sums, latency of 4 KiB, bandwidth of 4 MiB"],
    ["mlx-cluster rdma-test stress --seconds 600", "all sizes for ten minutes, every element compared"],
  ],
  notes: [
    "Every rank gives so many bytes and gets the sum of all: times are those of the rank that begins last, rates are payload over time.",
    "Exit codes: 0 all sums right, 1 a wrong sum or no connection, 2 wrong command line or hostfile, 130 interrupted.",
  ],
  async run({ flags, positionals }) {
    const [word = "quick", ...more] = positionals
    const kind = KINDS.find((each) => each === word)
    if (kind === undefined || more.length > 0) throw new UsageError(`the tests are ${KINDS.join(", ")}`)
    const seconds = numeral(flags, "seconds", { least: 1, most: 86_400 }) ?? STRESS_DEFAULT_S
    const localRanks = numeral(flags, "local-ranks", { least: 2, most: 4, whole: true })
    const { hostfile, sshConfig } = await hostsOf(flags)
    const { openLinkGroup } = await import("../link-test.ts")
    const said: string[] = []
    const group = await openLinkGroup({
      hostfile,
      localRanks,
      sshConfig,
      stateFolder: text(flags, "state-dir") ?? process.env["MLX_CLUSTER_STATE"],
      onLine: (line) => said.push(line),
    }).catch((error: unknown) => {
      throw explained(error)
    })
    let interrupted = false
    const interrupt = () => {
      interrupted = true
    }
    process.once("SIGINT", interrupt)
    // A reader such as `head` may close the pipe; that is no error.
    process.stdout.on("error", interrupt)
    const paint = paintFor(process.stdout)
    const isJson = isSet(flags, "json")
    const rows: Row[] = []
    let transport = ""
    const show = (row: Row) => {
      rows.push(row)
      if (!isJson) process.stdout.write(`${line(row, paint)}\n`)
    }
    try {
      transport = await group.transport()
      if (!isJson) process.stdout.write(`${group.size} ranks over ${transport}\n${HEAD}\n`)
      await group.measure(4 * KIB, WARM_UP, { seed: 0, check: false })
      if (kind === "stress") await stress(group, seconds, () => interrupted, show)
      else {
        for (const [test, bytes, repeats] of PLANS[kind]) {
          if (interrupted) break
          show({ test, ...(await group.measure(bytes, repeats, { seed: 1, check: test === "correctness" })) })
        }
      }
    } catch (error) {
      throw explained(error)
    } finally {
      process.off("SIGINT", interrupt)
      await group.close()
    }
    const wrong = rows.reduce((sum, row) => sum + row.wrong, 0)
    if (isJson) console.log(JSON.stringify({ size: group.size, transport, measures: rows, wrong }))
    else console.log(wrong === 0 ? paint("green", "all sums are right") : paint("red", `${wrong} elements are wrong`))
    if (interrupted) return EXIT.interrupted
    return wrong === 0 ? EXIT.ok : EXIT.failed
  },
}

/** Where to look, when it is RDMA that is missing; the exit code of the error stays. */
function explained(error: unknown): unknown {
  const text = error instanceof Error ? error.message : String(error)
  if (!/JACCL|RDMA/u.test(text)) return error
  const hint = "mlx-cluster doctor says which device is missing, --transport tcp goes without"
  return new CommandError(`${text}; ${hint}`, { cause: error })
}

const STRESS_SIZES = [KIB, 4 * KIB, 32 * KIB, 33 * KIB, 256 * KIB, MIB, 4 * MIB]
const STRESS_REPEATS = 10

/** All sizes in turn, every element compared; one row a size at the end. */
async function stress(
  group: LinkGroup,
  seconds: number,
  isOver: () => boolean,
  show: (row: Row) => void,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  const sums = new Map<number, LinkMeasure>()
  for (let seed = 0; performance.now() < deadline && !isOver(); seed++) {
    const bytes = STRESS_SIZES[seed % STRESS_SIZES.length] ?? KIB
    const now = await group.measure(bytes, STRESS_REPEATS, { seed, check: true })
    const before = sums.get(bytes)
    sums.set(bytes, {
      ...now,
      repeats: now.repeats + (before?.repeats ?? 0),
      p99Us: Math.max(now.p99Us, before?.p99Us ?? 0),
      wrong: now.wrong + (before?.wrong ?? 0),
      checked: now.checked + (before?.checked ?? 0),
    })
  }
  for (const measure of sums.values()) show({ test: "stress", ...measure })
}

const COLUMNS = [12, 10, 8, 12, 12, 12, 0]
const HEAD = columns(["test", "bytes", "rounds", "p50", "p99", "rate", "wrong"])

function columns(cells: readonly string[]): string {
  return cells
    .map((cell, at) => cell.padEnd(COLUMNS[at] ?? 0))
    .join("")
    .trimEnd()
}

function line(row: Row, paint: Paint): string {
  const time = (us: number) => (us < 1000 ? `${us.toFixed(1)} µs` : `${(us / 1000).toFixed(2)} ms`)
  const size = row.bytes < MIB ? `${row.bytes / KIB} KiB` : `${row.bytes / MIB} MiB`
  const rate = `${(row.bytesPerSecond / 1e9).toFixed(row.bytesPerSecond < 1e8 ? 3 : 2)} GB/s`
  const wrong = row.checked === 0 ? "-" : row.wrong === 0 ? `0 of ${row.checked}` : `${row.wrong} of ${row.checked}`
  const text = columns([row.test, size, String(row.repeats), time(row.p50Us), time(row.p99Us), rate, wrong])
  return row.wrong === 0 ? text : paint("red", text)
}
