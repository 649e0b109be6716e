import t from "tap"
import { ago, clockTime, count, duration, gigabytes, isoTime, milliseconds, percent, rate } from "./format.ts"

t.test("numbers read as people write them", async (t) => {
  t.equal(count(182_947), "182,947")
  t.equal(rate(62.31), "62.3")
  t.equal(rate(1234.5), "1,235")
  t.equal(gigabytes(2.1), "2.10")
  t.equal(gigabytes(37.42), "37.4")
  t.equal(percent(0.779), "78%")
  t.equal(milliseconds(84), "84 ms")
  t.equal(milliseconds(2060), "2.06 s")
})

t.test("spans of time show their two largest units", async (t) => {
  t.same([4, 65, 8040, 200_000].map(duration), ["4s", "1m 5s", "2h 14m", "2d 7h"])
  t.same([0.2, 3, null].map(ago), ["just now", "3s ago", "never"])
})

t.test("absent and broken numbers are a dash, never NaN", async (t) => {
  for (const write of [count, rate, gigabytes, percent, milliseconds, duration]) {
    for (const value of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) t.equal(write(value), "–")
  }
  t.equal(isoTime(Number.NaN), "")
  t.equal(clockTime(Number.NaN), "–")
  t.equal(clockTime(0), "00:00:00")
})
