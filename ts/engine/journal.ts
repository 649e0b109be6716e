// What is needed to go on with an answer in a new rank process: its prompt, the tokens received, and whether it was
// running when processes were lost. Knows no link.

export interface Journal {
  readonly promptIds: Int32Array
  readonly received: number
  append(id: number): void
  /** Prompt and received tokens, as a submit with `resumed` wants them. */
  resumeIds(): Int32Array
  /**
   * A rank process was lost, the `loss`-th so far. False: the answer was running at the loss before, too, and may be the
   * cause of both: it is not to be tried again.
   */
  lost(loss: number, wasRunning: boolean): boolean
}

export function createJournal(promptIds: Int32Array): Journal {
  const received: number[] = []
  let lastLoss = -1

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
    lost(loss, wasRunning) {
      if (!wasRunning) return true
      const twice = lastLoss === loss - 1
      lastLoss = loss
      return !twice
    },
  }
}
