// One figure of a server's GET /metrics.

/** NaN: there is none of this name (without mlx_cluster_) and without labels. */
export async function metric(address: string, name: string): Promise<number> {
  const text = await (await fetch(`${address}/metrics`, { signal: AbortSignal.timeout(10_000) })).text()
  return Number(new RegExp(`^mlx_cluster_${name} (\\S+)$`, "m").exec(text)?.[1])
}
