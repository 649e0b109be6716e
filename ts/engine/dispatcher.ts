// Between choices and the link: gives each choice a slot, sends submits and cancels as there is room, and hands records
// to the choice that holds their slot. Knows no admission, no model loading and no recovery.

import { cacheDivergence } from "./cache-divergence.ts"
import { type Choice, type ChoiceNews, endOf } from "./choice.ts"
import type { EngineErrorCode } from "./errors.ts"
import type { GenerationRun } from "./generation-run.ts"
import type { EngineLink } from "./link.ts"
import type { ModelSession } from "./model-sessions.ts"
import { choiceSampling, clientNumber, endsOf } from "./request-check.ts"
import { RECORD_WORDS } from "./rings/record.ts"
import { createSlotTable, type SlotKey } from "./slots.ts"

/** A choice on its way to the token half, or in it. */
export interface Job {
  readonly run: GenerationRun
  readonly choice: Choice
  readonly index: number
  readonly session: ModelSession
}

/** Holds the slot of a choice that goes on in another one, until the token half is done with it. */
interface Remainder {
  readonly redirected: GenerationRun
}

export interface DispatcherOptions {
  readonly link: EngineLink
  readonly slots: number
  /** The token half could not serve a choice. */
  readonly onFailed: (run: GenerationRun, code: EngineErrorCode) => void
}

export interface Dispatcher {
  /** Slots that choices hold. */
  readonly slotsUsed: number
  /** Waits until there is a slot, room in the link, and its model is loaded; first come, first served. */
  enqueue(job: Job): void
  /** Ends what the choices of this run have in the token half. */
  cancel(run: GenerationRun): void
  /** Sends what there is room for. */
  pump(): void
  /** The runs that have something new to deliver; valid until the next call. */
  read(words: Int32Array): ReadonlySet<GenerationRun>
  /** The token half is gone, and all that it and this knew. */
  reset(): void
}

export function createDispatcher({ link, slots: size, onFailed }: DispatcherOptions): Dispatcher {
  const slots = createSlotTable<Job | Remainder>(size)
  let waiting: Job[] = []
  /** What the last batch of records was for. */
  const runs = new Set<GenerationRun>()
  /** Not sent yet. */
  let cancels: SlotKey[] = []

  function pump(): void {
    if (link.state !== "up") return
    // Cancels first: they make room.
    while (cancels[0] !== undefined && link.send({ kind: "cancel", ...cancels[0] })) cancels.shift()
    if (cancels.length > 0 || waiting.length === 0) return
    let hasRoom = true
    waiting = waiting.filter((job) => {
      if (job.run.over) return false
      hasRoom &&= job.session.state !== "loaded" || submit(job)
      return job.choice.key === null
    })
  }

  /** False: there is no slot or no room in the link now. */
  function submit(job: Job): boolean {
    const { choice, run, session, index } = job
    const key = slots.acquire(job)
    if (key === null) return false
    const { sampling, eosIds } = endsOf(run.request, session.text?.facts.eosIds ?? [])
    const sent = link.send({
      kind: "submit",
      ...key,
      model: session.number,
      promptIds: choice.journal.resumeIds(),
      ...(choice.predictionIds === undefined ? {} : { predictionIds: choice.predictionIds }),
      sampling: choiceSampling(sampling, index, session.text?.facts.lineBreakIds ?? []),
      maxTokens: choice.maxTokens,
      resumed: choice.journal.received,
      logprobs: run.request.logprobs ?? -1,
      eosIds,
      client: clientNumber(run.request.client),
      ...(choice.rule !== null && { rule: choice.rule }),
      ...(run.request.cacheSalt !== undefined && { salt: run.request.cacheSalt }),
    })
    if (sent) choice.hold(key)
    else slots.release(key)
    return sent
  }

  /** It is submitted again, with what was written in its place; what the token half still makes for it is dropped. */
  function redirect(job: Job): void {
    const { key } = job.choice
    if (key === null || job.run.over) return
    cancels.push(key)
    slots.replace(key, { redirected: job.run })
    job.choice.hold(null)
    // It came before all that wait.
    waiting.unshift(job)
  }

  function explained({ session, choice }: Job, news: Extract<ChoiceNews, { type: "started" }>) {
    if (session.text === null) return undefined
    return cacheDivergence(choice.journal.promptIds, news.cachedTokens, news.otherwise, session.text.tokens)
  }

  function tell(job: Job, news: ChoiceNews | null): void {
    if (news === null) return
    const { run, choice } = job
    switch (news.type) {
      case "started":
        run.begun(news.cachedTokens, explained(job, news))
        break
      case "token":
        run.tokenReceived()
        break
      case "stopped":
        run.tokenReceived()
        if (choice.key !== null && !run.over) cancels.push(choice.key)
        break
      case "redirected":
        run.tokenReceived()
        redirect(job)
        break
      case "ended":
        run.measured(news.queuedMs, news.prefillMs)
        free(choice)
        break
      case "failed":
        free(choice)
        if (!run.over) onFailed(run, news.code)
        break
    }
  }

  function free(choice: Choice): void {
    if (choice.key !== null) freeSlot(choice.key)
    choice.hold(null)
  }

  function freeSlot(key: SlotKey): void {
    slots.release(key)
    cancels = cancels.filter((one) => one.slot !== key.slot || one.generation !== key.generation)
  }

  function readRemainder({ redirected: run }: Remainder, key: SlotKey, words: Int32Array, at: number): void {
    const end = endOf(words, at)
    if (end === null) return
    // The way to its first token lies here, not where it goes on.
    if (end.type === "ended") run.measured(end.queuedMs, end.prefillMs)
    freeSlot(key)
  }

  return {
    get slotsUsed() {
      return slots.used
    },
    enqueue: (job) => void waiting.push(job),
    cancel(run) {
      // One that met a stop string is cancelled already.
      for (const choice of run.choices) if (choice.key !== null && !choice.answer.finished) cancels.push(choice.key)
      pump()
    },
    pump,
    read(words) {
      runs.clear()
      // The records of a choice stand together: what follows another's settles it.
      let last: Job | null = null
      for (let at = 0; at + RECORD_WORDS <= words.length; at += RECORD_WORDS) {
        const slot = words[at + 1] ?? -1
        const generation = (words[at + 2] ?? 0) >>> 0
        const job = slots.holder(slot, generation)
        if (job === undefined) continue
        if ("redirected" in job) {
          readRemainder(job, { slot, generation }, words, at)
          continue
        }
        if (job !== last) {
          if (last !== null) tell(last, last.choice.settle())
          last = job
          runs.add(job.run)
        }
        tell(job, job.choice.record(words, at))
      }
      if (last !== null) tell(last, last.choice.settle())
      return runs
    },
    reset() {
      slots.reset()
      waiting = []
      cancels = []
    },
  }
}
