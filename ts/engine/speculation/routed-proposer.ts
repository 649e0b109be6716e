// Who proposes for which sequence: n-grams where the request predicts its answer, else the usual proposer, or nobody.

import type { Sequence } from "../scheduling/index.ts"
import { createNgramProposer } from "./ngram-proposer.ts"
import type { Proposer, Request } from "./proposer.ts"

/** `usual`: null where sequences without a prediction are not proposed for. */
export function createRoutedProposer(usual: Proposer | null): Proposer {
  const lookup = usual?.kind === "ngram" ? usual : createNgramProposer()

  function of(sequence: Sequence): Proposer | null {
    return sequence.prediction.length > 0 ? lookup : usual
  }

  return {
    kind: usual?.kind ?? "ngram",
    serves: (sequence) => of(sequence)?.serves(sequence) ?? false,
    available: (sequence, most) => of(sequence)?.available(sequence, most) ?? 0,
    propose(requests) {
      const tokens = new Map<Request, Int32Array>()
      let isCatchingUp = false
      for (const proposer of [lookup, ...(usual === null || usual === lookup ? [] : [usual])]) {
        const own = requests.filter(({ sequence }) => of(sequence) === proposer)
        if (own.length === 0) continue
        const proposed = proposer.propose(own)
        own.forEach((request, i) => tokens.set(request, proposed.tokens[i] ?? NOTHING))
        isCatchingUp ||= proposed.isCatchingUp
      }
      return { tokens: requests.map((request) => tokens.get(request) ?? NOTHING), isCatchingUp }
    },
    left: (sequence) => of(sequence)?.left(sequence),
    close() {
      lookup.close()
      if (usual !== lookup) usual?.close()
    },
  }
}

const NOTHING = new Int32Array(0)
