import t from "tap"
import { createOutlet } from "./outlet.ts"

/** A socket that takes `room` more writes before it says it is full. */
function fakeSink(room: number) {
  const sink = {
    room,
    written: [] as string[],
    ended: false,
    aborted: false,
    write(text: string) {
      sink.written.push(text)
      return --sink.room > 0
    },
    end(text: string) {
      if (text !== "") sink.written.push(text)
      sink.ended = true
    },
    abort() {
      sink.aborted = true
    },
  }
  return sink
}

t.test("text that came while the socket was full leaves in one write, in order", (t) => {
  const sink = fakeSink(1)
  const outlet = createOutlet(sink, { filler: ":", pendingLimit: 100, onOverflow: () => t.fail("no overflow") })
  for (const text of ["a", "b", "c"]) outlet.write(text)
  t.same(sink.written, ["a"])
  t.equal(outlet.pendingBytes, 2)
  sink.room = 5
  t.equal(outlet.writable(), true)
  t.same(sink.written, ["a", "bc"])
  outlet.write("d")
  t.same(sink.written, ["a", "bc", "d"])
  t.end()
})

t.test("a writable socket always gets a byte, as uWS needs one to go on polling", (t) => {
  const sink = fakeSink(1)
  const outlet = createOutlet(sink, { filler: ":\n\n", pendingLimit: 100, onOverflow: () => {} })
  outlet.write("a")
  sink.room = 1
  t.equal(outlet.writable(), false, "the filler filled it again")
  sink.room = 2
  t.equal(outlet.writable(), true)
  t.same(sink.written, ["a", ":\n\n", ":\n\n"])
  t.end()
})

t.test("an end that comes while the socket is full waits for the rest", (t) => {
  const sink = fakeSink(1)
  const outlet = createOutlet(sink, { filler: ":", pendingLimit: 100, onOverflow: () => {} })
  outlet.write("a")
  outlet.write("b")
  outlet.end("!")
  t.equal(outlet.open, false)
  outlet.write("late")
  t.equal(sink.ended, false)
  sink.room = 1
  t.equal(outlet.writable(), false, "taken, but full again")
  sink.room = 5
  outlet.writable()
  t.same(sink.written, ["a", "b!"])
  t.equal(sink.ended, true)
  t.end()
})

t.test("more than the cap held back cuts the connection and tells the owner once", (t) => {
  const sink = fakeSink(1)
  let overflows = 0
  const outlet = createOutlet(sink, { filler: ":", pendingLimit: 4, onOverflow: () => overflows++ })
  outlet.write("a")
  outlet.write("é".repeat(3))
  outlet.write("more")
  outlet.end("end")
  t.same([sink.aborted, sink.ended, overflows], [true, false, 1])
  t.same(sink.written, ["a"])
  t.end()
})

t.test("after the connection is gone nothing is written", (t) => {
  const sink = fakeSink(5)
  const outlet = createOutlet(sink, { filler: ":", pendingLimit: 4, onOverflow: () => {} })
  outlet.closed()
  outlet.write("a")
  outlet.end("b")
  t.equal(outlet.writable(), true)
  t.same(sink.written, [])
  t.end()
})
