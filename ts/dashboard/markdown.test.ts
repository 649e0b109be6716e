// The chat's Markdown is a browser script, but its parsers are pure: they are tested here, its nodes in browser.test.ts.

import t from "tap"
import { staticFiles } from "./index.ts"

interface Part {
  readonly type: string
  readonly text?: string
  readonly url?: string
  readonly parts?: readonly Part[]
}

/** Loads a script that imports nothing, as it is served. */
async function load(name: string): Promise<unknown> {
  return import(`data:text/javascript;base64,${staticFiles.get(name)?.body.toString("base64") ?? ""}`)
}

// The script is plain JavaScript: its shape is stated here.
const { parseInline } = (await load("markdown-inline.js")) as { parseInline: (text: string) => readonly Part[] }

const plain = (parts: readonly Part[]): string =>
  parts
    .map((part) => {
      const inner = part.text ?? plain(part.parts ?? [])
      return part.type === "text" ? inner : `{${part.type}${part.url === undefined ? "" : ` ${part.url}`}:${inner}}`
    })
    .join("")

t.test("emphasis, code and links are found", async (t) => {
  for (const [text, expected] of [
    ["a **b** c", "a {strong:b} c"],
    ["*a* and _b_", "{em:a} and {em:b}"],
    ["**a *b***", "{strong:a {em:b}}"],
    ["~~gone~~", "{del:gone}"],
    ["`a *b*`", "{code:a *b*}"],
    ["``a`b``", "{code:a`b}"],
    ["[x](https://a.b/c)", "{link https://a.b/c:x}"],
    ["see https://a.b/c.", "see {link https://a.b/c:https://a.b/c}."],
    ["\\*not\\*", "*not*"],
    ["snake_case_name", "snake_case_name"],
    ["2 * 3 * 4", "2 * 3 * 4"],
    ["**open", "**open"],
    ["a `open", "a `open"],
  ] as const) {
    t.equal(plain(parseInline(text)), expected)
  }
})

t.test("links that are not http, https or mail stay text", async (t) => {
  for (const url of ["javascript:alert(1)", "data:text/html,x", "//a.b", "JaVaScRiPt:x", "file:///etc/passwd"]) {
    t.equal(plain(parseInline(`[x](${url})`)), `[x](${url})`)
  }
})

t.test("hostile lengths are read in time that grows with the length", async (t) => {
  const length = 20_000
  for (const unit of ["*", "_", "`", "[", "**a ", "*a _b ", "[x](", "~~", "`a ``b ", "http", "\\"]) {
    const start = process.hrtime.bigint()
    parseInline(unit.repeat(length / unit.length))
    t.ok(process.hrtime.bigint() - start < 2_000_000_000n, unit)
  }
})
