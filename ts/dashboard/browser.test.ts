// The page in a real Chromium, under the strict policy. CHROMIUM names the browser; without one the test is skipped,
// unless MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { existsSync } from "node:fs"
import { type Page, chromium } from "playwright-core"
import t from "tap"
import { type ScriptedAnswer, startPageServer } from "./testing/page-server.ts"
import { HOSTILE, sampleSnapshot } from "./testing/sample-snapshot.ts"

const WAIT_MS = 15_000
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
const executablePath = process.env["CHROMIUM"] ?? PLACES.find(existsSync)
const skip =
  executablePath === undefined && process.env["MLX_CLUSTER_REQUIRE_ALL"] === undefined
    ? "no Chromium: install it or name it in CHROMIUM"
    : false

const MARKED = `**Bold** and \`code\`\n\n- one\n- two\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n${HOSTILE}\n\n[trap](javascript:alert(1))`

const ANSWERS: readonly ScriptedAnswer[] = [
  {
    deltas: [
      { reasoning_content: "Let me " },
      { reasoning_content: "think." },
      { content: MARKED },
      { content: "\n\nend" },
    ],
    hangs: false,
  },
  { deltas: [{ content: "never" }], hangs: true },
  {
    deltas: [
      { tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "get_weather", arguments: "" } }] },
      { tool_calls: [{ index: 0, function: { arguments: `{"city":` } }] },
      { tool_calls: [{ index: 0, function: { arguments: `"Paris"}` } }] },
    ],
    hangs: false,
  },
  { deltas: [{ content: "It rains." }], hangs: false },
]

t.test("the page in a browser", { skip }, async (t) => {
  const server = await startPageServer(sampleSnapshot(2), (turn) => ANSWERS[turn - 1] ?? { deltas: [], hangs: false })
  t.teardown(() => server.close())
  const browser = await chromium.launch({ executablePath: executablePath ?? "chromium", args: ["--no-sandbox"] })
  t.teardown(() => browser.close())

  const complaints: string[] = []
  const open = async (width: number, colorScheme: "light" | "dark"): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
    context.setDefaultTimeout(WAIT_MS)
    const page = await context.newPage()
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
    page.on("pageerror", (error) => complaints.push(error.message))
    await page.goto(server.url)
    await server.listening()
    return page
  }
  const page = await open(1440, "light")
  const ask = async (text: string) => {
    await page.fill("#chat-input", text)
    await page.press("#chat-input", "Enter")
  }

  await t.test("a pushed snapshot changes the panels in place and the title", async (t) => {
    server.push(sampleSnapshot(2, { total_requests: 987_654, history: [44] }))
    await page.locator("#panel-overview", { hasText: "987,654" }).waitFor()
    t.equal(await page.title(), "44 tok/s · mlx-jaccl-cluster")
    const sample = sampleSnapshot(2)
    server.push(sampleSnapshot(2, { links: sample.links.map((link) => ({ ...link, link_active: false })) }))
    await page.locator(".topology.wide .wire.bad").first().waitFor({ state: "attached" })
    t.equal(await page.locator("svg.topology.wide .box").count(), 2)
  })

  await t.test("the head of the latency table stays above its rows when the page is scrolled", async (t) => {
    await page.evaluate(
      `scrollTo({ top: scrollY + document.querySelector(".percentiles tbody tr:last-child").getBoundingClientRect().top, behavior: "instant" })`,
    )
    const head = await page.locator(".percentiles thead th").first().boundingBox()
    const first = await page.locator(".percentiles tbody th").first().boundingBox()
    t.ok(head !== null && first !== null && head.y + head.height <= first.y + 1)
    await page.evaluate(`scrollTo({ top: 0, behavior: "instant" })`)
  })

  await t.test("a request opens to its timeline, and stays open when the panel is pushed anew", async (t) => {
    const row = page.locator("tr.more").first()
    t.ok(await row.isHidden())
    await page.locator(".expand").first().click()
    await row.locator(".legend", { hasText: "Prefill" }).waitFor()
    server.push(
      sampleSnapshot(2, { requests: sampleSnapshot(2).requests.map((each) => ({ ...each, latency_ms: 7777 })) }),
    )
    await page.locator("#panel-requests", { hasText: "7.78 s" }).waitFor()
    t.ok(await row.isVisible())
    t.equal(await page.locator(".expand").first().getAttribute("aria-expanded"), "true")
  })

  await t.test("an answer streams, is dressed as Markdown, and never becomes markup", async (t) => {
    await ask("Hello <b>you</b>")
    await page.locator(".message.assistant .stats", { hasText: "TTFT" }).waitFor()
    const answer = page.locator(".message.assistant .prose")
    t.equal(await answer.locator("strong").textContent(), "Bold")
    t.equal(await answer.locator("li").count(), 2)
    t.equal(await answer.locator("td").count(), 2)
    t.equal(await answer.locator("img, script, a").count(), 0)
    t.match(await answer.textContent(), "<img src=x onerror=")
    t.equal(await page.locator(".message.user b").count(), 0)
    t.equal(await page.locator(".reasoning-text").textContent(), "Let me think.")
    t.match(await page.locator(".stats").textContent(), "4 tokens")
    t.match(server.chats[0], {
      stream: true,
      temperature: 0.7,
      messages: [{ role: "user", content: "Hello <b>you</b>" }],
    })
  })

  await t.test("the stop button ends an answer that does not", async (t) => {
    await ask("Go on forever")
    await page.locator(".message.assistant", { hasText: "never" }).waitFor()
    await page.click("#chat-stop")
    await page.locator(".stats", { hasText: "stopped" }).waitFor()
    t.ok(await page.locator("#chat-send").isVisible())
  })

  await t.test("a tool call is shown, its result is asked for and sent back", async (t) => {
    await page.click("#chat-settings summary")
    await page.fill("#chat-tools", `[{"type":"function","function":{"name":"get_weather","parameters":{}}}]`)
    await page.fill("#chat-system", "Be brief.")
    await ask("Weather?")
    await page.fill(".tool-results textarea", "rain")
    t.match(await page.locator(".tool-call").textContent(), "get_weather")
    await page.click(".tool-results button")
    await page.locator(".message.assistant", { hasText: "It rains." }).waitFor()
    t.match(server.chats[2], { tools: [{ function: { name: "get_weather" } }] })
    const messages = server.chats[3]?.["messages"]
    t.match(Array.isArray(messages) ? messages.slice(-2) : [], [
      { role: "assistant", content: null, tool_calls: [{ id: "call_1", function: { arguments: `{"city":"Paris"}` } }] },
      { role: "tool", tool_call_id: "call_1", content: "rain" },
    ])
    t.match(messages, [{ role: "system", content: "Be brief." }])
  })

  await t.test("conversations and settings outlive a reload", async (t) => {
    await page.reload()
    t.equal(await page.locator(".message.user").count(), 3)
    t.equal(await page.inputValue("#chat-system"), "Be brief.")
    t.equal(await page.locator("#chat-list option:checked").textContent(), "Hello <b>you</b>")
  })

  await t.test("the page says that its figures are old, and stops saying so when events return", async (t) => {
    const stale = await open(1440, "dark")
    await stale.clock.install()
    await stale.reload()
    await server.listening()
    t.ok(await stale.locator("#banner").isHidden())
    await stale.clock.fastForward(8000)
    await stale.locator("#banner", { hasText: "Reconnecting" }).waitFor()
    server.push(sampleSnapshot(2))
    await stale.locator("#banner").waitFor({ state: "hidden" })
    await stale.context().close()
  })

  await t.test("nothing is wider than the window, from a phone to a desk", async (t) => {
    for (const width of [375, 820, 1440, 2200]) {
      const narrow = await open(width, "dark")
      const scrollWidth = Number(await narrow.evaluate("document.documentElement.scrollWidth"))
      t.ok(scrollWidth <= width, `${scrollWidth} at ${width}`)
      await narrow.context().close()
    }
  })

  t.same(complaints, [], "the browser found nothing to complain of, the policy included")
})
