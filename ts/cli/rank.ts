// `mlx-cluster rank`: one rank of the group, started by serve, which writes its options to standard input.

import { type Command, EXIT } from "./command.ts"

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
    const { runRank } = await import("../rank.ts")
    // Returns once it has started; its sockets keep the process, and it sets its own exit code.
    await runRank()
    return EXIT.ok
  },
}
