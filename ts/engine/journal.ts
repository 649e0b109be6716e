// What is needed to go on with an answer in a new rank process: its prompt, the tokens received, and whether it was
// running when processes were lost. Knows no link.

export interface Journal {
  readonly promptIds: Int32Array
  readonly received: number
  append(id: number): void
  /** Prompt and received tokens, as a submit with `resumed` wants them. */
  resumeIds(): Int32Array
  /**
   * A rank process was lost, the `loss`-th so far. False: the answer may be the cause and is not to be tried again: it
   * was running at the loss before, too, or its submit was the last that was heard of it too often.
   */
  lost(loss: number, was: "running" | "submitted" | "held back"): boolean
}

/** Losses after a submit that was never begun. Others' requests share them, so it is not as strict as for running ones. */
export const SUBMITTED_LOSSES = 4

export function createJournal(promptIds: Int32Array): Journal {
  const received: number[] = []
  let lastLoss = -1
  let submittedLosses = 0

  return {
    promptIds,
    get received() {
      return received.length
    },
    append: (id) => void received.push(id),
    resumeIds() {
      if (received.length === 0) return promptIds
      const ids = new Int32Array(promptIds.length + received.length)
      ids.set(promptIds)
      ids.set(received, promptIds.length)
      return ids
    },
    lost(loss, was) {
      if (was === "held back") return true
      if (was === "submitted") {
        submittedLosses++
        return submittedLosses < SUBMITTED_LOSSES
      }
      submittedLosses = 0
      const twice = lastLoss === loss - 1
      lastLoss = loss
      return !twice
    },
  }
}
