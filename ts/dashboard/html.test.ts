import t from "tap"
import { html, toText } from "./html.ts"

t.test("values are escaped in text and in attributes, and leave no line break", async (t) => {
  const text = `<b>&"'\n`
  t.equal(
    toText(html`<i title="${text}">${text}</i>`),
    `<i title="&lt;b&gt;&amp;&quot;&#39;&#10;">&lt;b&gt;&amp;&quot;&#39;&#10;</i>`,
  )
})

t.test("nested markup and lists of it are kept, absent values write nothing", async (t) => {
  const items = ["a", "<"].map((item) => html`<li>${item}</li>`)
  t.equal(toText(html`<ul>${items}${null}${undefined}${false}</ul>`), "<ul><li>a</li><li>&lt;</li></ul>")
})

t.test("the indentation of a template is not sent", async (t) => {
  const inner = html`<b>${1}</b>`
  t.equal(
    toText(html`
      <p>
        one
        two ${inner}
      </p>
    `),
    "<p> one two <b>1</b> </p>",
  )
})
