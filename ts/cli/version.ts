// `mlx-cluster version`.

import { type Command, EXIT } from "./command.ts"
import { packageVersion } from "./package-info.ts"

export const version: Command = {
  name: "version",
  summary: "print the version",
  usage: "",
  flags: {},
  positionals: false,
  examples: [["mlx-cluster version", "for a bug report"]],
  async run() {
    console.log(`mlx-cluster ${packageVersion()} (Node ${process.versions.node}, ${process.platform} ${process.arch})`)
    return EXIT.ok
  },
}
