import { createHash } from "node:crypto"
import t from "tap"
import { renderPage, renderPanels, staticFiles } from "./index.ts"
import { hostileSnapshot, sampleSnapshot } from "./testing/sample-snapshot.ts"

/** Bytes of everything a browser loads for the page, uncompressed. */
const PAGE_WEIGHT_MAX = 150 * 1024

t.test("every panel that is pushed has its place on the page, and starts with the same content", async (t) => {
  const page = renderPage(sampleSnapshot(2))
  for (const [id, content] of Object.entries(renderPanels(sampleSnapshot(2)))) {
    t.ok(page.includes(`id="panel-${id}">${content}</div>`), id)
  }
})

t.test("a strict content security policy holds: no inline script, handler or style", async (t) => {
  for (const snapshot of [sampleSnapshot(1), sampleSnapshot(4), hostileSnapshot()]) {
    const page = renderPage(snapshot, { nonce: "abc" })
    // Escaped text may say anything inside quotes; only names of attributes count.
    const names = page.replace(/"[^"]*"/g, '""')
    t.notMatch(names, /<[^>]*\s(?:on\w+|style)=/i)
    t.notMatch(page, /<style|(?:href|src)="javascript:/i)
    for (const [script] of page.matchAll(/<script[^>]*>[^<]*/g)) t.match(script, /src="\/static\/[^"]+"[^>]*>$/)
  }
})

t.test("a nonce is written on scripts and styles, escaped", async (t) => {
  t.match(renderPage(sampleSnapshot(1), { nonce: "abc" }), /<script [^>]*nonce="abc"/)
  t.notMatch(renderPage(sampleSnapshot(1), { nonce: `"><i>` }), "<i>")
})

t.test("everything the page asks for is among the static files, and nothing comes from outside", async (t) => {
  const page = renderPage(sampleSnapshot(1))
  for (const [, path = ""] of page.matchAll(/(?:src|href)="\/static\/([^"]+)"/g)) t.ok(staticFiles.has(path), path)
  t.notMatch(page, /(?:src|href)="(?:https?:)?\/\//)
  for (const [name, file] of staticFiles) {
    if (name.startsWith("vendor/") || !name.endsWith(".js")) continue
    for (const [, path = ""] of file.body.toString().matchAll(/from "\.\/([^"]+)"/g)) t.ok(staticFiles.has(path), path)
  }
})

t.test("each label names a control, each section a heading, each link of the navigation a section", async (t) => {
  const page = renderPage(sampleSnapshot(2))
  const ids = new Set([...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))
  for (const [, id = ""] of page.matchAll(/\s(?:for|aria-labelledby)="([^"]+)"/g)) t.ok(ids.has(id), id)
  for (const [, id = ""] of page.matchAll(/href="#([^"]+)"/g)) t.ok(ids.has(id), id)
  t.equal(ids.size, [...page.matchAll(/\sid="/g)].length, "no id stands twice")
})

t.test("page, scripts and styles together weigh less than 150 KB", async (t) => {
  let weight = Buffer.byteLength(renderPage(sampleSnapshot(4)))
  for (const [name, file] of staticFiles) if (!name.endsWith(".txt")) weight += file.body.length
  t.ok(weight < PAGE_WEIGHT_MAX, `${weight} bytes`)
})

t.test("the vendored scripts are the ones that VENDOR.md names", async (t) => {
  const hashes = {
    "vendor/htmx.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "vendor/hx-sse.min.js": "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
  }
  for (const [name, hash] of Object.entries(hashes)) {
    t.equal(
      createHash("sha256")
        .update(staticFiles.get(name)?.body ?? "")
        .digest("hex"),
      hash,
      name,
    )
  }
})
