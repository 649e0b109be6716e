// `mlx-cluster rank`: one rank of the group, started by serve, which writes its options to standard input.

import { join } from "node:path"
import { type Command, EXIT } from "./command.ts"
import { packageRoot } from "./package-info.ts"
import { isSet } from "./parse.ts"

export const rank: Command = {
  name: "rank",
  summary: "run one rank of the group (started by serve)",
  usage: "",
  flags: {
    guard: { type: "boolean", help: "start the rank as a child and end it when this input closes (over ssh)" },
  },
  positionals: false,
  examples: [],
  notes: ["Reads its options as one line of JSON from standard input and ends when that closes."],
  internal: true,
  async run({ flags }) {
    if (isSet(flags, "guard")) {
      const { runRankGuard } = await import("../control/index.ts")
      const program = join(packageRoot(), "bin", "mlx-cluster.js")
      return await runRankGuard([process.execPath, program, "rank"], process.stdin)
    }
    const { runRank } = await import("../rank.ts")
    // Returns once it has started; its sockets keep the process, and it sets its own exit code.
    await runRank()
    return EXIT.ok
  },
}
