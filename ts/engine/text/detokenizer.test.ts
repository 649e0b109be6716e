import t from "tap"
import { createDetokenizer } from "./detokenizer.ts"
import { tokenText } from "./token-text-fixture.ts"

t.test("a character split over tokens comes out when its last byte does", async (t) => {
  const text = "aé東🚀z"
  const bytes = [...Buffer.from(text)]
  for (let size = 1; size <= 5; size++) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.slice(i * size, (i + 1) * size),
    )
    const detokenizer = createDetokenizer(tokenText(pieces), false)
    const out = pieces.map((_, id) => detokenizer.push(id))
    t.equal(out.join(""), text, `${size} bytes a token`)
    t.notOk(out.some((piece) => piece.includes("\ufffd")))
    t.equal(detokenizer.heldBytes, 0)
  }
})

t.test("an unfinished character is held and left out at the end", async (t) => {
  const detokenizer = createDetokenizer(tokenText(["ok", [0xf0, 0x9f], [0x9a]]), false)
  t.same(
    [0, 1, 2].map((id) => detokenizer.push(id)),
    ["ok", "", ""],
  )
  t.equal(detokenizer.heldBytes, 3)
})

t.test("bytes that are no UTF-8 become replacement characters, as in a decoder of the whole text", async (t) => {
  const pieces = [[0xff], [0xe2, 0x28], [0x80], ["a".charCodeAt(0)], [0xc3], [0xc3, 0xa9]]
  const detokenizer = createDetokenizer(tokenText(pieces), false)
  const text = pieces.map((_, id) => detokenizer.push(id)).join("")
  t.equal(text, new TextDecoder().decode(Uint8Array.from(pieces.flat())))
})

t.test("the NUL token is a character, a control token and an unknown id are nothing", async (t) => {
  const detokenizer = createDetokenizer(tokenText(["\0", ""]), false)
  t.same(
    [0, 1, 2, -1].map((id) => detokenizer.push(id)),
    ["\0", "", "", ""],
  )
})

t.test("SentencePiece: the first space of a whole answer goes, that of a continuation stays", async (t) => {
  const tokens = tokenText([" Hello", " world", ""], true)
  const answer = createDetokenizer(tokens, false)
  t.same(
    [2, 0, 1].map((id) => answer.push(id)),
    ["", "Hello", " world"],
  )
  const completion = createDetokenizer(tokens, true)
  t.equal(completion.push(0), " Hello")
})
