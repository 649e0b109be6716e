import t from "tap"
import { missingRoom, type RankRoom } from "./model-room.ts"

const GB = 1e9

function room(host: string, modelGb: number, freeGb: number, kvGb = 0): RankRoom {
  const memory = {
    totalBytes: 64 * GB,
    availableBytes: freeGb * GB,
    rssBytes: 0.1 * GB,
    activeBytes: 0,
    cacheBytes: 0,
    peakBytes: 0,
    modelBytes: modelGb * GB,
    kvBytes: kvGb * GB,
  }
  return { host, memory }
}

t.test(
  "what the hosts that are left must take is held against what they have, with what their ranks give back",
  async (t) => {
    const ranks = new Map([
      [0, room("a", 8, 5, 3)],
      [1, room("b", 8, 2)],
      [2, room("c", 8, 5, 3)],
    ])
    t.equal(missingRoom(ranks, [0, 2]), null, "24 GB are 15 GB each, with headroom, of 16")
    t.equal(missingRoom(ranks, [0, 1]), "the model needs 15.0 GB on b, which has 10.0 GB")
    t.equal(missingRoom(ranks, [0, 1], [2, 1]), "the model needs 20.0 GB on a, which has 16.0 GB")
    t.match(missingRoom(ranks, [0]), /needs 30\.0 GB on a/)
  },
)

t.test("ranks of one host share its memory", async (t) => {
  const ranks = new Map([
    [0, room("a", 8, 3)],
    [1, room("a", 8, 3)],
    [2, room("a", 8, 3)],
  ])
  t.equal(missingRoom(ranks, [0, 1]), "the model needs 30.0 GB on a, which has 27.0 GB")
  t.equal(missingRoom(new Map([...ranks, [0, room("a", 8, 7)]]), [0, 1]), null)
})

t.test("of what is not known nothing is said", async (t) => {
  t.equal(missingRoom(new Map(), [0, 1]), null)
})
