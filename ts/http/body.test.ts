import t from "tap"
import { createBodyCollector, declaredLength } from "./body-collector.ts"
import { parseJson } from "./body.ts"
import { LIMITS } from "./limits.ts"

const parse = (text: string) => parseJson(Buffer.from(text))

t.test("a JSON body is parsed", (t) => {
  t.same(parse('{"a":[1,"\\"[[[",{"b":null}]}'), { a: [1, '"[[[', { b: null }] })
  t.end()
})

t.test("what is no JSON is refused without quoting the body", (t) => {
  t.throws(() => parse(""), { code: "invalid_json" })
  try {
    parse('{"messages": secret prompt}')
    t.fail("parsed")
  } catch (error) {
    t.match(error, { code: "invalid_json" })
    t.notMatch(String(error), /secret/)
  }
  t.end()
})

t.test("nesting is counted outside strings only", (t) => {
  const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
  t.doesNotThrow(() => parse(deep(LIMITS.jsonDepth)))
  t.throws(() => parse(deep(LIMITS.jsonDepth + 1)), { code: "json_too_deep" })
  t.throws(() => parse("[".repeat(5_000_000)), { code: "json_too_deep" })
  t.doesNotThrow(() => parse(JSON.stringify(`\\"${"[".repeat(1000)}`)))
  t.throws(() => parse('"unterminated [[['), { code: "invalid_json" })
  t.end()
})

t.test("a body of very many small values is refused before it is parsed", (t) => {
  t.doesNotThrow(() => parse(`[${"1,".repeat(LIMITS.jsonValues - 10)}1]`))
  t.throws(() => parse(`[${"1,".repeat(LIMITS.jsonValues)}1]`), { code: "json_too_large" })
  t.doesNotThrow(() => parse(JSON.stringify(",".repeat(LIMITS.jsonValues * 2))))
  t.end()
})

t.test("a collector joins chunks and refuses more than its cap", async (t) => {
  const small = createBodyCollector(8, null)
  small.push(Buffer.from("abcd"))
  small.push(Buffer.from("efgh"))
  small.finish()
  t.equal((await small.body()).toString(), "abcdefgh")
  const large = createBodyCollector(8, null)
  large.push(Buffer.from("abcdefghi"))
  large.finish()
  await t.rejects(large.body(), { code: "body_too_large" })
  await t.rejects(createBodyCollector(8, 9).body(), { code: "body_too_large" }, "by its declared length, unread")
  const gone = createBodyCollector(8, 4)
  gone.abort()
  await t.rejects(gone.body(), { code: "bad_request" })
})

t.test("only a plain number declares a length", (t) => {
  t.equal(declaredLength("12"), 12)
  for (const text of [undefined, "", "-1", "1e9", "0x10", "99999999999999999999"]) t.equal(declaredLength(text), null)
  t.end()
})
