// Test fixture: one rank of a native group in a thread or process of its own, which does what it is told and says what
// came out.

import { Checkpoint, type GroupCounters, groupCounters, type RankGroupOptions } from "mlx-jaccl-rs"
import { parentPort, workerData } from "node:worker_threads"
import { CommandBuffer, NONE } from "./command-buffer.ts"
import { openMlx, openRandomModel, VOCABULARY, Weight } from "./random-model-fixture.ts"

export interface GroupRankStart {
  readonly rank: number
  /** Of a random model. */
  readonly folder: string
  readonly operationMs: number
  /** "mlx": collectives are nodes of MLX's graph, as on a GPU. */
  readonly executor?: "auto" | "mlx"
}

/** Which way collectives go, and limits other than the usual ones. */
export type GroupRankWay = Pick<
  RankGroupOptions,
  "backend" | "devices" | "jacclPath" | "beatMs" | "leaseMs" | "stuckMs" | "seals" | "guard"
>

export type GroupRankOrder =
  | {
      readonly kind: "connect"
      readonly ports: readonly number[]
      readonly nonce: string
      readonly connectMs: number
      readonly way?: GroupRankWay
    }
  /** Embeds tokens, times rank + 1; sums and gathers them over the ranks. */
  | { readonly kind: "collect"; readonly tokens: readonly number[] }
  /** Tokens through an embedding and a head of which each rank has the rows [from, to). */
  | {
      readonly kind: "divide"
      readonly shares: readonly (readonly [from: number, to: number])[]
      readonly tokens: readonly number[]
    }
  | { readonly kind: "say"; readonly to: number; readonly text: string }
  | { readonly kind: "hear"; readonly from: number; readonly timeoutMs: number }
  | { readonly kind: "count" }
  | { readonly kind: "leave" }

export interface GroupRankAnswer {
  readonly error?: string
  readonly port?: number
  readonly counters?: GroupCounters | null
  readonly own?: Float32Array
  readonly sum?: Float32Array
  readonly gathered?: Float32Array
  readonly text?: string | null
  /** Of "divide": the logits that one rank computes by itself, and the tokens that are best. */
  readonly whole?: Float32Array
  readonly best?: Int32Array
}

const HOST = "127.0.0.1"
const HIDDEN = 64
/** Number of the weight that only "divide" has. */
const PART = 900

/** What a thread and a process have alike. */
interface Parent {
  postMessage(answer: GroupRankAnswer): void
  on(event: "message", listener: (order: GroupRankOrder) => void): unknown
}

if (parentPort !== null) serve(parentPort, workerData)
else
  process.once("message", (start: GroupRankStart) => {
    process.on("disconnect", () => process.kill(process.pid, "SIGKILL"))
    serve(
      { postMessage: (answer) => process.send?.(answer), on: (_, listener) => process.on("message", listener) },
      start,
    )
  })

function serve(port: Parent, { rank, folder, operationMs, executor = "auto" }: GroupRankStart): void {
  openMlx()
  const { engine } = openRandomModel(folder, { executor, threads: 1 })
  let size = 1

  function collect(tokens: readonly number[]): GroupRankAnswer {
    const buffer = new CommandBuffer()
    const own = buffer.embed(buffer.tokens(Int32Array.from(tokens), NONE), Weight.EMBEDDING, rank + 1)
    const [sum, gathered] = [buffer.allSum(own), buffer.allGather(own)]
    buffer.evaluate([own, sum, gathered])
    engine.exec(buffer.tape, buffer.length)
    const elements = tokens.length * HIDDEN
    const answer = {
      own: new Float32Array(elements),
      sum: new Float32Array(elements),
      gathered: new Float32Array(elements * size),
    }
    engine.readFloats(own, answer.own)
    engine.readFloats(sum, answer.sum)
    engine.readFloats(gathered, answer.gathered)
    return answer
  }

  function divide(shares: readonly (readonly [number, number])[], tokens: readonly number[]): GroupRankAnswer {
    const [from, to] = shares[rank] ?? [0, 0]
    const slice = { name: "embedding", rowStart: from, rowEnd: to, columnStart: 0, columnEnd: -1 }
    engine.loadWeight(PART, new Checkpoint(folder), { parts: [slice], kind: "matrix" })
    const buffer = new CommandBuffer()
    const ids = buffer.tokens(Int32Array.from(tokens), NONE)
    const embedded = buffer.allSum(buffer.embedPart(ids, PART, 2, from, VOCABULARY))
    const logits = buffer.linear(embedded, PART)
    const gathered = buffer.gatherColumns(
      logits,
      shares.map(([first, end]) => end - first),
    )
    const whole = buffer.linear(buffer.embed(ids, Weight.EMBEDDING, 2), Weight.EMBEDDING)
    buffer.bestToken(0, logits, from, VOCABULARY)
    buffer.evaluate([gathered, whole, 0])
    engine.exec(buffer.tape, buffer.length)
    const answer = {
      gathered: new Float32Array(tokens.length * VOCABULARY),
      whole: new Float32Array(tokens.length * VOCABULARY),
      best: new Int32Array(tokens.length),
    }
    engine.readFloats(gathered, answer.gathered)
    engine.readFloats(whole, answer.whole)
    engine.readTokens(0, answer.best)
    engine.freeWeight(PART)
    return answer
  }

  function obey(order: GroupRankOrder): GroupRankAnswer {
    switch (order.kind) {
      case "connect": {
        const { ports, nonce, connectMs, way } = order
        size = ports.length
        engine.groupConnect({
          rank,
          addresses: ports.map((at) => ({ host: HOST, port: at })),
          nonce,
          connectMs,
          operationMs,
          ...way,
        })
        return {}
      }
      case "collect":
        return collect(order.tokens)
      case "divide":
        return divide(order.shares, order.tokens)
      case "say":
        engine.groupSend(order.to, Buffer.from(order.text))
        return {}
      case "hear": {
        const heard = engine.groupReceive(order.from, order.timeoutMs)
        return { text: heard === null ? null : Buffer.from(heard).toString() }
      }
      case "count":
        return { counters: groupCounters() }
      case "leave":
        engine.close()
        return {}
      default:
        return order satisfies never
    }
  }

  port.on("message", (order: GroupRankOrder) => {
    let answer: GroupRankAnswer
    try {
      answer = obey(order)
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) }
    }
    port.postMessage(answer)
  })
  port.postMessage({ port: engine.groupListen(HOST) } satisfies GroupRankAnswer)
}
