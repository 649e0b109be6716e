// `mlx-cluster verify`: proves that the ranks of the cluster together answer as one rank does. Greedy, token for token:
// short prompts, one longer than a prefill chunk, and all of them at once.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { STATE_FLAG } from "./background-server.ts"
import { type Command, CommandError, EXIT, type FlagValues } from "./command.ts"
import { HOST_FLAGS, TRANSPORT_FLAG } from "./hosts.ts"
import { modelFlags } from "./model-flags.ts"
import { isSet, numeral, text } from "./parse.ts"
import { startServeChild } from "./serve-child.ts"
import { field, firstModel, refusal, send, type ServerAddress } from "./server-client.ts"
import { paintFor } from "./terminal.ts"

const TOKENS_DEFAULT = 48
const READY_MS = 900_000
const ANSWER_MS = 600_000
/** Longer than a chunk of 512 tokens in any vocabulary. */
const LONG_WORDS = 700

const PROMPTS: readonly (readonly [name: string, prompt: string])[] = [
  ["short", "The capital of France is"],
  ["numbers", "1 2 3 4 5 6 7 8 9 10 11 12"],
  ["code", "def fibonacci(n):\n    if n < 2:\n        return n\n"],
  ["long", Array.from({ length: LONG_WORDS }, (_, at) => `${at % 7 === 0 ? "river" : "stone"} ${at}`).join(" ")],
]

interface Token {
  readonly text: string
  readonly logprob: number
}

interface Comparison {
  readonly prompt: string
  readonly together: boolean
  readonly tokens: number
  /** Position of the first token that differs; null: none does. */
  readonly differsAt: number | null
  /** There: what the one and the other said, and how sure they were. */
  readonly expected: Token | null
  readonly got: Token | null
}

async function answer(address: ServerAddress, model: string, prompt: string, tokens: number): Promise<Token[]> {
  const response = await send(address, "/v1/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, prompt, temperature: 0, max_tokens: tokens, logprobs: 1 }),
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const body: unknown = await response.json().catch(() => null)
  if (!response.ok) throw refusal(response.status, body)
  const choices = field(body, "choices")
  const logprobs = field(Array.isArray(choices) ? choices[0] : null, "logprobs")
  const [words, numbers] = [field(logprobs, "tokens"), field(logprobs, "token_logprobs")]
  if (!Array.isArray(words) || !Array.isArray(numbers)) throw new CommandError("the server gave no tokens")
  return words.map((word, at) => ({ text: String(word), logprob: Number(numbers[at]) }))
}

interface Answers {
  readonly alone: readonly (readonly Token[])[]
  readonly together: readonly (readonly Token[])[]
}

async function askAll(url: string, tokens: number): Promise<Answers> {
  const address = { url: new URL(url), key: "" }
  const model = await firstModel(address)
  const alone: Token[][] = []
  for (const [, prompt] of PROMPTS) alone.push(await answer(address, model, prompt, tokens))
  const together = await Promise.all(PROMPTS.map(([, prompt]) => answer(address, model, prompt, tokens)))
  return { alone, together }
}

function compare(expected: readonly (readonly Token[])[], got: Answers): Comparison[] {
  return [false, true].flatMap((together) =>
    PROMPTS.map(([prompt], at): Comparison => {
      const one = expected[at] ?? []
      const other = (together ? got.together : got.alone)[at] ?? []
      const length = Math.max(one.length, other.length)
      const position = Array.from({ length }, (_, n) => n).find((n) => one[n]?.text !== other[n]?.text)
      return {
        prompt,
        together,
        tokens: other.length,
        differsAt: position ?? null,
        expected: position === undefined ? null : (one[position] ?? null),
        got: position === undefined ? null : (other[position] ?? null),
      }
    }),
  )
}

/** The options of `serve` that this command has as well. */
function serveWords(flags: FlagValues, names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const value = text(flags, name)
    return value === undefined ? [] : [`--${name}=${value}`]
  })
}

const SHARED = ["model", "models-dir", "numeric", "threads", "state-dir"]

async function withServer<Value>(words: readonly string[], work: (url: string) => Promise<Value>): Promise<Value> {
  const server = await startServeChild(words, READY_MS)
  try {
    return await work(server.url)
  } finally {
    await server.close()
  }
}

export const verify: Command = {
  name: "verify",
  summary: "prove that the cluster answers as one machine does, token for token",
  usage: "[options]",
  flags: {
    ...modelFlags,
    tokens: { type: "string", value: "<n>", help: `tokens of each answer (default ${TOKENS_DEFAULT})` },
    "local-ranks": { type: "string", value: "<n>", help: "several processes of this machine in place of the hosts" },
    numeric: { type: "string", value: "<type>", help: "as in serve (fp32 is exact)" },
    threads: { type: "string", value: "<n>", help: "as in serve" },
    json: { type: "boolean", help: "the comparison as JSON, one line" },
    ...STATE_FLAG,
    ...TRANSPORT_FLAG,
    ...HOST_FLAGS,
  },
  positionals: false,
  examples: [
    ["mlx-cluster verify --model mlx-community/Qwen3-4B-4bit", "the hosts of hostfile.json against this machine alone"],
    ["mlx-cluster verify --model tiny --local-ranks 2", "two processes against one"],
  ],
  notes: [
    "Starts the model twice, one after the other, on ports of its own; the model must fit into this machine alone.",
    "Exit codes: 0 equal, 1 not equal or failed, 2 wrong command line, hostfile or model.",
  ],
  async run({ flags }) {
    const tokens = numeral(flags, "tokens", { least: 1, most: 1024, whole: true }) ?? TOKENS_DEFAULT
    const isJson = isSet(flags, "json")
    const say = (line: string) => {
      if (!isJson) process.stdout.write(`${line}\n`)
    }
    const shared = serveWords(flags, SHARED)
    const cluster = serveWords(flags, ["hostfile", "ssh-config", "local-ranks", "transport"])
    const folder = mkdtempSync(join(tmpdir(), "mlx-cluster-verify-"))
    try {
      const alone = join(folder, "hostfile.json")
      writeFileSync(alone, '[{ "ssh": "localhost", "ips": ["127.0.0.1"] }]')
      say("the ranks of the cluster ...")
      const got = await withServer([...shared, ...cluster], async (url) => ({
        size: await sizeOf(url),
        answers: await askAll(url, tokens),
      }))
      if (got.size === 1)
        throw new CommandError("the cluster is one rank: give a hostfile with other hosts, or --local-ranks")
      say("one rank ...")
      const expected = await withServer([...shared, `--hostfile=${alone}`], (url) => askAll(url, tokens))
      const comparisons = compare(expected.alone, got.answers)
      const equal = comparisons.every(({ differsAt }) => differsAt === null)
      if (isJson) console.log(JSON.stringify({ ranks: got.size, equal, comparisons }))
      else console.log(screen(got.size, comparisons))
      return equal ? EXIT.ok : EXIT.failed
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function sizeOf(url: string): Promise<number> {
  const response = await send({ url: new URL(url), key: "" }, "/cluster", { signal: AbortSignal.timeout(ANSWER_MS) })
  const size = field(await response.json(), "size")
  return typeof size === "number" ? size : 1
}

function screen(ranks: number, comparisons: readonly Comparison[]): string {
  const paint = paintFor(process.stdout)
  const quoted = (token: Token | null) =>
    token === null ? "the end" : `${JSON.stringify(token.text)} (logprob ${token.logprob.toFixed(4)})`
  const lines = comparisons.map(({ prompt, together, tokens, differsAt, expected, got }) => {
    const head = `${prompt.padEnd(8)} ${together ? "together" : "alone   "}`
    if (differsAt === null) return `${head} ${paint("green", "equal")}  ${tokens} tokens`
    const words = `one rank says ${quoted(expected)}, ${ranks} ranks say ${quoted(got)}`
    return `${head} ${paint("red", "differs")} at token ${differsAt}: ${words}`
  })
  const equal = comparisons.every(({ differsAt }) => differsAt === null)
  const verdict = equal
    ? paint("green", `${ranks} ranks answer as one does`)
    : paint(
        "red",
        "the answers differ: equal logprobs at that place are a tie, else a rank computes wrongly (see docs/cluster.md)",
      )
  return [...lines, verdict].join("\n")
}
