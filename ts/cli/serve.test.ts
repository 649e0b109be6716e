import t from "tap"
import { parseCommandLine } from "./parse.ts"
import { serve, serveOptions } from "./serve.ts"

const parse = (...args: readonly string[]) => serveOptions(parseCommandLine(serve, args).flags)

t.test("what is not given is left to the server's defaults", async (t) => {
  t.same(parse(), { http: {}, engine: {} })
})

t.test("flags become options with the units of the options", async (t) => {
  t.same(parse("--kv-gb", "1.5", "--shutdown-timeout", "2.5", "--no-replay", "--port", "0"), {
    shutdownTimeoutMs: 2500,
    replay: false,
    http: { port: 0 },
    engine: { kvBytes: 1_500_000_000 },
  })
  t.same(parse("--draft-model", "tiny-draft", "--speculate", "off"), {
    draftModel: "tiny-draft",
    http: {},
    engine: { speculate: "off" },
  })
  t.same(parse("--resume-window", "1.5", "--thinking-budget", "0"), {
    http: { resumeWindowMs: 1500, thinkingBudget: 0 },
    engine: {},
  })
  t.same(parse("--alias", "gpt-4o=qwen3", "--alias", "a=b=c", "--allowed-host", "x", "--allowed-host", "y"), {
    http: { aliases: { "gpt-4o": "qwen3", a: "b=c" }, allowedHosts: ["x", "y"] },
    engine: {},
  })
})
