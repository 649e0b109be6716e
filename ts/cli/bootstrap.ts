// `mlx-cluster bootstrap`: this program on the other hosts, over ssh.

import { type Command, EXIT } from "./command.ts"
import { failIfAny, HOST_FLAGS, hostsOf, onEach, ONLY_FLAG } from "./hosts.ts"
import { packageRoot } from "./package-info.ts"
import { isSet } from "./parse.ts"

const WORDS = { current: "has it already", installed: "installed", built: "built there" } as const

export const bootstrap: Command = {
  name: "bootstrap",
  summary: "install this program on the other hosts of the hostfile",
  usage: "[options]",
  flags: {
    build: { type: "boolean", help: "send the sources and build them there" },
    force: { type: "boolean", help: "install also where the same version is there" },
    json: { type: "boolean", help: "what was done, as JSON, one line" },
    ...ONLY_FLAG,
    ...HOST_FLAGS,
  },
  positionals: false,
  examples: [
    ["mlx-cluster bootstrap", "all other hosts, those with this very version left alone"],
    ["mlx-cluster bootstrap --host mac2 --force", "one of them anew"],
  ],
  notes: [
    "A host of the same kind gets the files of this installation; another one gets the sources and builds them.",
    "Node.js must be there; a host that builds needs what make setup needs.",
    "Exit codes: 0 all hosts have it, 1 one of them has not, 2 wrong command line or hostfile.",
  ],
  async run({ flags }) {
    const { others } = await hostsOf(flags)
    const { bootstrapHost, readInstallation } = await import("../operations/index.ts")
    const root = packageRoot()
    const installation = await readInstallation(root)
    const options = {
      root,
      installation,
      force: isSet(flags, "force"),
      build: isSet(flags, "build"),
      progress: (line: string) => process.stderr.write(`${line}\n`),
    }
    const outcomes = await onEach(others, (host) => bootstrapHost(host, options))
    const done = outcomes.flatMap(({ value }) => (value === null ? [] : [value]))
    if (isSet(flags, "json")) console.log(JSON.stringify(outcomes))
    else if (others.length === 0) console.log("the hostfile names no other host: nothing to do")
    else for (const { host, result, version } of done) console.log(`${host}: mlx-cluster ${version} ${WORDS[result]}`)
    failIfAny(outcomes)
    return EXIT.ok
  },
}
