// `mlx-cluster setup`: runs scripts/setup.sh, which does the work and says what is missing.

import { spawn } from "node:child_process"
import { join } from "node:path"
import { type Command, CommandError, EXIT } from "./command.ts"
import { packageRoot } from "./package-info.ts"
import { choice, isSet } from "./parse.ts"

export const setup: Command = {
  name: "setup",
  summary: "fetch MLX, build the native parts and the program",
  usage: "[options]",
  flags: {
    backend: {
      type: "string",
      value: "<name>",
      help: "which MLX: cpu, metal or cuda (default: metal on Apple silicon, else cpu)",
    },
    model: { type: "boolean", help: "fetch the starter model as well" },
  },
  positionals: false,
  examples: [
    ["mlx-cluster setup --model", "once after cloning; does nothing when all is current"],
    ["mlx-cluster setup --backend cuda", "on a host with an NVIDIA GPU"],
  ],
  run({ flags }) {
    const backend = choice(flags, "backend", ["cpu", "metal", "cuda"])
    const root = packageRoot()
    const child = spawn(join(root, "scripts", "setup.sh"), isSet(flags, "model") ? ["model"] : [], {
      cwd: root,
      stdio: "inherit",
      env: { ...process.env, ...(backend === undefined ? {} : { BACKEND: backend }) },
    })
    return new Promise((resolve, reject) => {
      child.on("error", (cause) =>
        reject(new CommandError(`scripts/setup.sh cannot be run: ${cause.message}`, { cause })),
      )
      child.on("close", (code) => resolve(code ?? EXIT.failed))
    })
  },
}
