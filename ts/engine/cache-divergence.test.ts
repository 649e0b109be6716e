import t from "tap"
import { cacheDivergence } from "./cache-divergence.ts"

const tokens = { bytes: (id: number) => Buffer.from(String.fromCharCode(id)) }
const prompt = Int32Array.from("today is Monday, and all is well", (char) => char.charCodeAt(0))

t.test("a prompt that leaves the cache's path says where, and what stands on both sides", async (t) => {
  t.same(cacheDivergence(prompt, 9, 70, tokens), { at: 9, cachedText: "F", promptText: "Monday, and " })
  t.same(cacheDivergence(prompt, 30, 33, tokens), { at: 30, cachedText: "!", promptText: "ll" })
})

t.test("a prompt that only goes on where the cache ends diverges nowhere", async (t) => {
  t.equal(cacheDivergence(prompt, 9, -1, tokens), undefined)
})
