// What differs between platforms on the TypeScript side: where the native libraries lie and which device is the default.
// Knows neither what is in them nor whether they exist (loadMlx says so).

import { join } from "node:path"
import { fileURLToPath } from "node:url"

export type Device = "cpu" | "gpu"

export interface Platform {
  readonly libmlxPath: string
  readonly shimPath: string
  /** JACCL's transport. Tests put one over fake verbs in its place, with MLX_CLUSTER_JACCL. */
  readonly jacclPath: string
  readonly device: Device
}

/** dist/ts/engine -> the folder of the installation. */
const ROOT = fileURLToPath(new URL("../../../", import.meta.url))

/** `backend`: "cpu", "metal" or "cuda" as in the environment's BACKEND; undefined: the system's own. */
export function platform(
  backend: string | undefined = process.env["BACKEND"],
  system: NodeJS.Platform = process.platform,
  root: string = ROOT,
): Platform {
  const isMac = system === "darwin"
  const suffix = isMac ? "dylib" : "so"
  // On a Mac one library serves both devices.
  const mlx = isMac ? "mlx-metal" : backend === "cuda" ? "mlx-cuda-13" : "mlx-cpu"
  return {
    libmlxPath: join(root, "vendor", mlx, "mlx", "lib", `libmlx.${suffix}`),
    shimPath: join(root, "crates", "mlx-jaccl-rs", `libmlx_jaccl_shim.${suffix}`),
    jacclPath: process.env["MLX_CLUSTER_JACCL"] ?? join(root, "crates", "mlx-jaccl-rs", `libmlx_jaccl_verbs.${suffix}`),
    device: mlx === "mlx-cpu" || backend === "cpu" ? "cpu" : "gpu",
  }
}
