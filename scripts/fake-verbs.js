// Builds JACCL over fake verbs for the tests: MLX's own JACCL sources, of a package that the lock file pins by checksum,
// and a provider of verbs over sockets. Does nothing when all is current. Not part of the product: on a Mac the system
// has RDMA, elsewhere there is none.

import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"

const SOURCE_PACKAGE = "rlx-mlx-sys"

/** The command's output; throws its words when it fails. */
function run(command, args, shown) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    stdio: ["ignore", shown ? "inherit" : "pipe", shown ? "inherit" : "pipe"],
  })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? stderr ?? ""}`)
  return stdout
}

function jacclFolder() {
  const args = ["metadata", "--format-version", "1", "--locked", "--offline"]
  // Of every target: the package is none of this one's dependencies.
  const { packages } = JSON.parse(run("cargo", args))
  const found = packages.find(({ name }) => name === SOURCE_PACKAGE)
  const folder = found && join(dirname(found.manifest_path), "vendor/mlx/mlx/distributed/jaccl/lib")
  if (!folder || !existsSync(join(folder, "jaccl/jaccl.h"))) {
    throw new Error(`${SOURCE_PACKAGE} does not hold JACCL's sources`)
  }
  return folder
}

if (process.platform === "linux") {
  run("cargo", ["fetch", "--locked", "--quiet"], true)
  const folder = "crates/mlx-jaccl-rs/fake-verbs"
  run("make", ["--no-print-directory", "-s", "-j2", "-C", folder, `JACCL_SRC=${jacclFolder()}`], true)
}
