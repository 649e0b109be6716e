// A real Prometheus that scrapes one server, with the shipped configuration and rules. PROMETHEUS names the program;
// without one such tests are skipped, unless MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { until } from "./until.ts"

const program = process.env["PROMETHEUS"] ?? "prometheus"
const promtool = process.env["PROMTOOL"] ?? "promtool"

export const skipPrometheus =
  spawnSync(program, ["--version"]).status !== 0 && process.env["MLX_CLUSTER_REQUIRE_ALL"] === undefined
    ? "no Prometheus: install it or name it in PROMETHEUS"
    : false

export const GRAFANA = fileURLToPath(new URL("../../../docs/grafana/", import.meta.url))
export const SCRAPE_S = 1

export interface Prometheus {
  /** Values of an instant query, at a Unix time in seconds. Throws what Prometheus says of a wrong query. */
  query(expression: string, timeS?: number): Promise<readonly number[]>
  /** Rules of the shipped file that Prometheus could not evaluate. */
  brokenRules(): Promise<readonly string[]>
  close(): Promise<void>
}

/** The configuration that docs/grafana/README.md gives. */
function documentedConfig(): string {
  const found = /```yaml\n([\s\S]*?)```/.exec(readFileSync(join(GRAFANA, "README.md"), "utf8"))?.[1]
  if (found === undefined) throw new Error("docs/grafana/README.md gives no configuration")
  return found
}

/** What promtool says of the documented configuration, in `folder`; null: nothing. */
export function checkConfig(folder: string): string | null {
  const file = join(folder, "prometheus.yml")
  copyFileSync(join(GRAFANA, "alerts.yml"), join(folder, "alerts.yml"))
  writeFileSync(file, documentedConfig())
  const { status, stdout, stderr } = spawnSync(promtool, ["check", "config", file], { encoding: "utf8" })
  return status === 0 ? null : stdout + stderr
}

/** Scrapes every second. Resolves when the first scrape is stored. */
export async function startPrometheus(folder: string, target: string): Promise<Prometheus> {
  const wrong = checkConfig(folder)
  if (wrong !== null) throw new Error(wrong)
  const config = documentedConfig()
    .replace(/scrape_interval: \S+/, `scrape_interval: ${SCRAPE_S}s`)
    .replace("127.0.0.1:8080", target)
  const file = join(folder, "live.yml")
  writeFileSync(file, `global:\n  evaluation_interval: 1s\n${config}`)
  const port = await freePort()
  const child = spawn(
    program,
    [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${port}`],
    { stdio: "ignore" },
  )
  const url = `http://127.0.0.1:${port}`
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(5000) })
    const body: unknown = await response.json()
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(body)}`)
    return Object(body).data
  }
  const query = async (expression: string, timeS?: number): Promise<readonly number[]> => {
    const at = timeS === undefined ? "" : `&time=${timeS}`
    const data = await ask(`/api/v1/query?query=${encodeURIComponent(expression)}${at}`)
    const result: unknown = Object(data).result
    return (Array.isArray(result) ? result : []).map((each: unknown) => Number(Object(each).value?.[1]))
  }
  const close = () => ended(child)
  try {
    await until(async () => (await query("mlx_cluster_uptime_seconds").catch(() => [])).length > 0)
  } catch (error) {
    await close()
    throw error
  }
  return {
    query,
    async brokenRules() {
      const { groups }: { groups?: unknown } = Object(await ask("/api/v1/rules"))
      const rules = (Array.isArray(groups) ? groups : []).flatMap((group: unknown) => Object(group).rules)
      return rules
        .filter((rule) => rule.health !== "ok")
        .map((rule) => `${rule.name}: ${rule.health} ${rule.lastError}`)
    },
    close,
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const over = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGTERM")
  const force = setTimeout(() => child.kill("SIGKILL"), 10_000)
  await over
  clearTimeout(force)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === "string") throw new Error("no free port")
  return address.port
}
