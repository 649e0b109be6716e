// A server process asks the test where its ranks are to connect: the test may answer with a proxy of its own.

import { type ChildProcess } from "node:child_process"
import type { Route } from "../rank-meeting.ts"

type Address = Parameters<Route>[2]

interface Question {
  readonly question: number
  readonly from: number
  readonly to: number | "front"
  readonly address: Address
}
interface Answer {
  readonly question: number
  readonly address: Address
}

const ANSWER_MS = 5_000
let questions = 0

/** In the server process: the parent's answer. */
export const askRoute: Route = (from, to, address) =>
  new Promise((resolve, reject) => {
    const question = questions++
    const timer = setTimeout(() => reject(new Error("the test gave no route")), ANSWER_MS)
    const take = (message: unknown) => {
      // Only answerRoutes() below sends messages to this process.
      const answer = message as Answer
      if (answer.question !== question) return
      clearTimeout(timer)
      process.off("message", take)
      resolve(answer.address)
    }
    process.on("message", take)
    process.send?.({ question, from, to, address } satisfies Question)
  })

/** In the test: answers what the server process asks. */
export function answerRoutes(child: ChildProcess, route: Route): void {
  child.on("message", (message: unknown) => {
    // Only askRoute() above sends messages from that process.
    const { question, from, to, address } = message as Question
    void route(from, to, address).then((found) => {
      if (child.connected) child.send({ question, address: found } satisfies Answer)
    })
  })
}
