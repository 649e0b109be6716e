import t from "tap"
import { toText } from "../html.ts"
import { HOSTILE, hostileSnapshot, memoryOf, sampleSnapshot } from "../testing/sample-snapshot.ts"
import { cards, headline } from "./index.ts"
import { scalePosition } from "./latency.ts"
import { memory, memoryParts } from "./memory.ts"
import { niceCeiling, sparklinePoints } from "./performance.ts"
import { phases } from "./timeline.ts"

const all = [headline, ...cards]
const render = (id: string, ...args: Parameters<typeof sampleSnapshot>): string => {
  const panel = all.find((each) => each.id === id)
  if (panel === undefined) throw new Error(`no panel ${id}`)
  return toText(panel.render(sampleSnapshot(...args)))
}
const occurrences = (text: string, part: string) => text.split(part).length - 1

t.test("no panel lets text become markup, and each is one line", async (t) => {
  for (const panel of all) {
    const text = toText(panel.render(hostileSnapshot()))
    t.notMatch(text, /<img|<\/script|onerror="/, panel.id)
    t.notMatch(text, /[\n\r]/, panel.id)
  }
  t.match(toText(headline.render(hostileSnapshot())), "&lt;img src=x", "the text itself is shown")
  t.ok(HOSTILE.includes("\n"))
})

t.test("no panel holds a handler, a style or a script of its own", async (t) => {
  for (const panel of all) {
    for (const size of [1, 2, 3, 4]) {
      t.notMatch(toText(panel.render(sampleSnapshot(size))), /\son\w+=|\sstyle=|<script|<style|javascript:/i, panel.id)
    }
  }
})

t.test("every panel says something before anything is known", async (t) => {
  const empty = sampleSnapshot(1, {
    memory: {},
    nodes: {},
    links: [],
    model: null,
    requests: [],
    errors: [],
    history: [],
    queue_max: 0,
  })
  for (const panel of all) {
    const text = toText(panel.render(empty))
    t.ok(text.length > 0, panel.id)
    t.notMatch(text, /NaN|undefined|Infinity|null/, panel.id)
  }
})

t.test("a memory bar is green below 70 %, yellow to 85 % and red above", async (t) => {
  for (const [used, health] of [
    [69.9, "ok"],
    [70, "warn"],
    [85, "warn"],
    [85.1, "bad"],
  ] as const) {
    const text = toText(memory.render(sampleSnapshot(1, { memory: { 0: memoryOf(used) } })))
    t.match(text, `class="bar tall ${health}"`, `${used} %`)
  }
})

t.test("the parts of a memory bar add up to what is used", async (t) => {
  for (const used of [0, 10, 15, 60]) {
    const sum = memoryParts(memoryOf(used)).reduce((total, part) => total + part.gb, 0)
    t.ok(Math.abs(sum - used) < 1e-9, `${used} GB`)
  }
})

t.test("the topology draws one to four nodes and a line for each link, wide and narrow", async (t) => {
  for (const [size, links] of [
    [1, 0],
    [2, 1],
    [3, 3],
    [4, 6],
  ] as const) {
    const text = render("topology", size)
    t.equal(occurrences(text, `class="box ok"`), 2 * size, `${size} boxes`)
    t.equal(occurrences(text, `class="wire ok"`), 2 * links, `${links} links`)
    t.equal(occurrences(text, `class="wire-label ok"`), 2 * links, `${links} labels`)
    t.notMatch(text, /NaN|undefined/)
  }
  t.match(render("topology", 5), "one to 4 nodes")
})

t.test("a lost node and its link are red and said in words", async (t) => {
  const sample = sampleSnapshot(2)
  const lost = {
    nodes: { ...sample.nodes, 1: { status: "disconnected", hostname: "mac2", last_heartbeat_s: 17, detail: "silent" } },
    links: sample.links.map((link) => ({ ...link, link_active: false })),
  }
  t.match(render("topology", 2, lost), `class="box bad"`)
  t.match(render("topology", 2, lost), `class="wire bad"`)
  t.match(render("link", 2, lost), "Down")
  t.match(render("nodes", 2, lost), "DISCONNECTED")
  t.match(render("nodes", 2, lost), "silent")
  t.match(render("overview", 2, lost), "1/2")
})

t.test("a link far below its ceiling is degraded", async (t) => {
  const sample = sampleSnapshot(2)
  t.match(render("link", 2, { links: sample.links.map((link) => ({ ...link, share: 0.4 })) }), "Degraded")
})

t.test("one machine has no link to show", async (t) => {
  t.match(render("link", 1), "One machine, no link")
})

t.test("the queue shows a cell a place, and says when it is full", async (t) => {
  t.equal(occurrences(render("queue", 1), `class="cell taken"`), 5)
  t.equal(occurrences(render("queue", 1), `class="cell"`), 3)
  t.match(render("queue", 1, { queue_size: 8 }), "503")
  t.match(render("queue", 1, { queue_max: 512 }), "<svg", "many places are a bar")
})

t.test("requests come newest first, with their marks", async (t) => {
  const text = render("requests", 1)
  t.ok(text.indexOf("chatcmpl-2") < text.indexOf("chatcmpl-1"))
  t.match(text, `class="badge warn"`)
  t.match(text, "16 cached")
})

t.test("the chart's scale is a round number that holds the peak", async (t) => {
  t.same([0, 0.3, 1, 7, 71.8, 100, 101].map(niceCeiling), [1, 0.5, 1, 10, 100, 100, 200])
  t.same(sparklinePoints([0, 100, Number.NaN], 100), ["0,140", "300,8", "600,140"])
})

t.test("latencies stand on a logarithmic scale from 0.1 ms to 10 s, and are dashes before there are any", async (t) => {
  t.same([0, 0.1, 1, 100, 10_000, 1e9].map(scalePosition), [0, 0, 20, 60, 100, 100])
  t.match(render("latency", 1), "412 ms")
  const none = {
    time_to_first_token: null,
    inter_token: null,
    request: null,
    queue: null,
    prefill: null,
    step: null,
    collective: null,
  }
  t.notMatch(render("latency", 1, { latency_ms: none }), "range-line")
})

t.test("a request's phases meet end to end, and one that failed early shows only what it reached", async (t) => {
  const [request] = sampleSnapshot(1).requests
  if (request === undefined) throw new Error("the sample has requests")
  t.same(
    phases(request).map(({ name, ms }) => [name, Math.round(ms * 10) / 10]),
    [
      ["Tokenize", 1.2],
      ["Queue", 2.8],
      ["Prefill", 80],
      ["Decode", 1976],
    ],
  )
  const failed = { ...request, timeline: { queued_ms: 2, prefill_ms: null, first_token_ms: null, end_ms: 5 } }
  t.same(
    phases(failed).map(({ name, ms }) => [name, ms]),
    [
      ["Tokenize", 2],
      ["Queue", 3],
    ],
  )
})

t.test("the prefix cache shows the share of prompt tokens that needed no work", async (t) => {
  t.match(render("cache", 1, { prefix_cache: { hit_tokens: 30, prompt_tokens: 120 } }), "25%")
  t.match(render("cache", 1, { prefix_cache: { hit_tokens: 0, prompt_tokens: 0 } }), "No prompts yet")
})

t.test("an error is listed with its cause and its cure", async (t) => {
  t.match(render("errors", 1), "ended by SIGKILL")
  t.match(render("errors", 1), "It starts again by itself.")
})

t.test("speculation shows what it is worth, says when it rests, and is nothing where it is off", async (t) => {
  t.match(render("speculation", 2), /73%.*Draft model.*9,110 of 12,480 tokens.*3\.4 tokens a step/)
  const { speculation } = sampleSnapshot(2)
  if (speculation === null) throw new Error("the sample speculates")
  t.match(render("speculation", 2, { speculation: { ...speculation, switched_off: true } }), "Resting")
  t.match(
    render("speculation", 2, { speculation: { ...speculation, acceptance: null, kind: "ngram" } }),
    "Prompt lookup",
  )
  t.equal(render("speculation", 2, { speculation: null }), "")
})
