// Asks again and again, with a deadline: what another process does gives no event here.

const DEADLINE_MS = 30_000
const PAUSE_MS = 20

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not so within ${DEADLINE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/** The status of `GET /ready`. */
export async function readyStatus(address: string): Promise<number> {
  const response = await fetch(`${address}/ready`, { signal: AbortSignal.timeout(5_000) })
  await response.arrayBuffer()
  return response.status
}

export async function untilReady(address: string): Promise<void> {
  await until(async () => (await readyStatus(address)) === 200)
}
