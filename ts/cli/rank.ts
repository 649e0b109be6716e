// `mlx-cluster rank`: one rank of the group, started by serve, which writes its options to standard input.

import type { Command } from "./command.ts"
import { rootFunction } from "./serve.ts"

export const rank: Command = {
  name: "rank",
  summary: "run one rank of the group (started by serve)",
  usage: "",
  flags: {},
  positionals: false,
  examples: [],
  notes: ["Reads its options as one line of JSON from standard input and ends when that closes."],
  internal: true,
  async run() {
    const start = await rootFunction("runRank")
    const code = await start()
    return typeof code === "number" ? code : 0
  },
}
