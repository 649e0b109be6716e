#!/usr/bin/env node
// The command as installed: starts the compiled program, or says how to compile it.

import { existsSync } from "node:fs"

const program = new URL("../dist/ts/cli/index.js", import.meta.url)
if (existsSync(program)) {
  const { main } = await import(program.href)
  process.exitCode = await main(process.argv.slice(2))
} else {
  console.error("mlx-cluster is not built yet: run make setup")
  process.exitCode = 1
}
