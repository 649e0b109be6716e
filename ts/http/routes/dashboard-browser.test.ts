// The whole way through a real browser: page, policy, key, live panels and a streamed chat. CHROMIUM names the browser;
// without one the test is skipped, unless MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { existsSync } from "node:fs"
import { chromium } from "playwright-core"
import t from "tap"
import { SERVERS, startServer } from "../testing/start-server.ts"

const WAIT = { timeout: 15_000 }
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
const executablePath = process.env["CHROMIUM"] ?? PLACES.find(existsSync)
const skip =
  executablePath === undefined && process.env["MLX_CLUSTER_REQUIRE_ALL"] === undefined
    ? "no Chromium: install it or name it in CHROMIUM"
    : false

for (const name of SERVERS)
  t.test(`${name}: a browser asks for the key once, chats, and sees the request in its panel`, { skip }, async (t) => {
    const { url } = await startServer(t, name, { keys: ["secret"] })
    const browser = await chromium.launch({
      ...(executablePath === undefined ? {} : { executablePath }),
      args: ["--no-sandbox"],
    })
    t.teardown(() => browser.close())
    const context = await browser.newContext({ httpCredentials: { username: "anyone", password: "secret" } })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on("pageerror", (error) => complaints.push(error.message))
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text())
    })
    await page.goto(url)
    await page.fill("#chat-input", "What is the capital?")
    await page.click("#chat-send")
    await page.locator("#chat-log", { hasText: "Paris is the capital of France." }).waitFor(WAIT)
    await page.locator("#panel-requests", { hasText: "chat" }).waitFor(WAIT)
    await page.goto(`${url}/docs`)
    await page.locator("code", { hasText: "/v1/chat/completions" }).waitFor(WAIT)
    t.same(complaints, [])
  })
