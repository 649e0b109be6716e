// A real Chromium for tests of the served page: where it is, what it complains of, and what axe finds. CHROMIUM names
// the browser; without one such tests are skipped, unless MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { existsSync, mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import axe from "axe-core"
import { type Browser, chromium, type Page } from "playwright-core"

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
const executablePath = process.env["CHROMIUM"] ?? PLACES.find(existsSync)
const WAIT_MS = 20_000

export const skipBrowser =
  executablePath === undefined && process.env["MLX_CLUSTER_REQUIRE_ALL"] === undefined
    ? "no Chromium: install it or name it in CHROMIUM"
    : false

export async function launchBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: executablePath ?? "chromium", args: ["--no-sandbox"] })
}

export interface OpenedPage {
  readonly page: Page
  /** Errors of scripts and of the policy, in order. */
  readonly complaints: readonly string[]
}

export async function openPage(
  browser: Browser,
  url: string,
  look: { readonly width: number; readonly height: number; readonly scheme: "light" | "dark" },
): Promise<OpenedPage> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.height },
    colorScheme: look.scheme,
  })
  context.setDefaultTimeout(WAIT_MS)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on("console", (message) => {
    const { url, lineNumber, columnNumber } = message.location()
    if (message.type() === "error") complaints.push(`${message.text()} (${url}:${lineNumber}:${columnNumber})`)
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  await page.goto(url)
  return { page, complaints }
}

const LOOK_MS = 100

/** Waits until an expression is true in the page. The page's policy forbids Playwright's own way, which is eval. */
export async function shown(page: Page, expression: string, timeoutMs = WAIT_MS): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while ((await page.evaluate(expression)) !== true) {
    if (performance.now() > deadline) throw new Error(`not so within ${timeoutMs} ms: ${expression}`)
    await page.waitForTimeout(LOOK_MS)
  }
}

/** Findings that axe calls serious or critical, as "rule: element". */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const report: unknown = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
  const violations: unknown = Object.getOwnPropertyDescriptor(report ?? {}, "violations")?.value
  if (!Array.isArray(violations)) throw new Error("axe gave no report")
  return violations.flatMap((each: unknown) => {
    const { id, impact, nodes } = Object(each)
    if (impact !== "serious" && impact !== "critical") return []
    return (Array.isArray(nodes) ? nodes : []).map((node: unknown) => `${id}: ${Object(node).html}`)
  })
}

const ARTEFACTS = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "results", "screenshots")

/** Kept below results/screenshots, for people to look at. */
export async function keepScreenshot(page: Page, name: string, fullPage = true): Promise<void> {
  mkdirSync(ARTEFACTS, { recursive: true })
  if (fullPage) await page.evaluate(`document.activeElement?.blur(); scrollTo({ top: 0, behavior: "instant" })`)
  await page.screenshot({ path: join(ARTEFACTS, `${name}.png`), fullPage })
}
