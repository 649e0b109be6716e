// Slots of the link: which choice holds which, and under which generation number. A slot that is held again has another
// number, so that late records of its last holder are told apart. Knows no records.

export interface SlotKey {
  readonly slot: number
  readonly generation: number
}

export interface SlotTable<Holder> {
  readonly used: number
  /** null: all are taken. */
  acquire(holder: Holder): SlotKey | null
  holder(slot: number, generation: number): Holder | undefined
  /** Records of this key are another's from now on. */
  replace(key: SlotKey, holder: Holder): void
  release(key: SlotKey): void
  /** Frees all: the token half that knew them is gone. */
  reset(): void
}

export function createSlotTable<Holder>(size: number): SlotTable<Holder> {
  const holders: (Holder | undefined)[] = Array.from({ length: size })
  const generations = new Uint32Array(size)
  let free: number[] = []

  function reset(): void {
    holders.fill(undefined)
    free = Array.from({ length: size }, (_, i) => size - 1 - i)
  }
  reset()

  return {
    get used() {
      return size - free.length
    },
    acquire(holder) {
      const slot = free.pop()
      if (slot === undefined) return null
      holders[slot] = holder
      const generation = ((generations[slot] ?? 0) + 1) >>> 0
      generations[slot] = generation
      return { slot, generation }
    },
    holder: (slot, generation) => (generations[slot] === generation ? holders[slot] : undefined),
    replace({ slot, generation }, holder) {
      if (generations[slot] === generation && holders[slot] !== undefined) holders[slot] = holder
    },
    release({ slot, generation }) {
      if (generations[slot] !== generation || holders[slot] === undefined) return
      holders[slot] = undefined
      free.push(slot)
    },
    reset,
  }
}
