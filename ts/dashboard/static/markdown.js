// A small, safe Markdown: text becomes DOM nodes by createElement and textContent, never by innerHTML, so what a model
// writes cannot become markup. Covers what models write: headings, lists, code, tables, quotes, emphasis, links.

import { parseInline } from "./markdown-inline.js"

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/
const QUOTE = /^ {0,3}>\s?(.*)$/
const TABLE_RULE = /^ *\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$/
/** Depth at which nested quotes and lists become plain text. */
const DEPTH_MAX = 8

const indentOf = (line) => line.length - line.trimStart().length
const isBlank = (line) => line.trim() === ""
const startsBlock = (line) =>
  FENCE.test(line) || HEADING.test(line) || RULE.test(line) || ITEM.test(line) || QUOTE.test(line)

const cells = (line) =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim())

function readFence(lines, at, [, fence, language]) {
  let end = at + 1
  while (
    end < lines.length &&
    !(lines[end].trim().startsWith(fence) && lines[end].trim().replaceAll(fence[0], "") === "")
  )
    end++
  return { block: { type: "code", language, text: lines.slice(at + 1, end).join("\n") }, next: end + 1 }
}

function readList(lines, at, depth) {
  const first = ITEM.exec(lines[at])
  const base = first[1].length
  const ordered = /\d/.test(first[2])
  const items = []
  let line = at
  while (line < lines.length) {
    const match = ITEM.exec(lines[line])
    if (match === null || match[1].length > base + 1 || match[1].length < base || /\d/.test(match[2]) !== ordered) break
    const content = lines[line].length - match[3].length
    const body = [match[3]]
    line++
    while (line < lines.length) {
      if (isBlank(lines[line])) {
        if (line + 1 >= lines.length || indentOf(lines[line + 1]) <= base || isBlank(lines[line + 1])) break
      } else if (indentOf(lines[line]) <= base) break
      body.push(lines[line].slice(Math.min(content, indentOf(lines[line]))))
      line++
    }
    items.push(parseLines(body, depth + 1))
    while (line + 1 < lines.length && isBlank(lines[line]) && ITEM.test(lines[line + 1])) line++
  }
  return { block: { type: "list", ordered, start: ordered ? Number.parseInt(first[2], 10) : 1, items }, next: line }
}

function readQuote(lines, at, depth) {
  const body = []
  let line = at
  for (; line < lines.length; line++) {
    const match = QUOTE.exec(lines[line])
    if (match === null) break
    body.push(match[1])
  }
  return { block: { type: "quote", blocks: parseLines(body, depth + 1) }, next: line }
}

function readTable(lines, at) {
  const rows = []
  let line = at + 2
  for (; line < lines.length && lines[line].includes("|"); line++) rows.push(cells(lines[line]))
  const align = cells(lines[at + 1]).map((rule) =>
    rule.endsWith(":") ? (rule.startsWith(":") ? "center" : "right") : "",
  )
  return { block: { type: "table", head: cells(lines[at]), align, rows }, next: line }
}

function readParagraph(lines, at) {
  let line = at + 1
  while (line < lines.length && !isBlank(lines[line]) && !startsBlock(lines[line])) line++
  return {
    block: {
      type: "paragraph",
      text: lines
        .slice(at, line)
        .map((each) => each.trim())
        .join("\n"),
    },
    next: line,
  }
}

function readBlock(lines, at, depth) {
  const line = lines[at]
  if (depth >= DEPTH_MAX) return readParagraph(lines, at)
  const fence = FENCE.exec(line)
  if (fence !== null) return readFence(lines, at, fence)
  const heading = HEADING.exec(line)
  if (heading !== null) return { block: { type: "heading", level: heading[1].length, text: heading[2] }, next: at + 1 }
  if (RULE.test(line)) return { block: { type: "rule" }, next: at + 1 }
  if (ITEM.test(line)) return readList(lines, at, depth)
  if (QUOTE.test(line)) return readQuote(lines, at, depth)
  if (line.includes("|") && TABLE_RULE.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")) {
    if (cells(line).length === cells(lines[at + 1]).length) return readTable(lines, at)
  }
  return readParagraph(lines, at)
}

function parseLines(lines, depth) {
  const blocks = []
  let at = 0
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at++
      continue
    }
    const { block, next } = readBlock(lines, at, depth)
    blocks.push({ ...block, source: lines.slice(at, next).join("\n") })
    at = next
  }
  return blocks
}

/** Blocks of a text; each keeps its source, so that a growing answer redraws only what changed. */
export function parseMarkdown(text) {
  return parseLines(text.replace(/\r\n?/g, "\n").split("\n"), 0)
}

function element(name, children = [], className = "") {
  const made = document.createElement(name)
  if (className !== "") made.className = className
  made.append(...children)
  return made
}

function inlineNode(part) {
  if (part.type === "text") return document.createTextNode(part.text)
  if (part.type === "break") return element("br")
  if (part.type === "code") return element("code", [part.text])
  if (part.type !== "link") return element(part.type, part.parts.map(inlineNode))
  const link = element("a", part.parts.map(inlineNode))
  link.href = part.url
  link.target = "_blank"
  link.rel = "noopener noreferrer nofollow"
  return link
}

const inlineNodes = (text) => parseInline(text).map(inlineNode)

function codeBlock(block) {
  const copy = element("button", ["Copy"], "copy")
  copy.type = "button"
  copy.dataset.copy = "code"
  const head = element("div", [element("span", [block.language || "text"]), copy], "code-head")
  return element("div", [head, element("pre", [element("code", [block.text])])], "code-block")
}

function tableBlock(block) {
  const cell = (name) => (text, index) => {
    const made = element(name, inlineNodes(text))
    if (block.align[index]) made.className = block.align[index]
    return made
  }
  const width = block.head.length
  const head = element("thead", [element("tr", block.head.map(cell("th")))])
  const rows = block.rows.map((row) => element("tr", row.slice(0, width).map(cell("td"))))
  return element("div", [element("table", [head, element("tbody", rows)])], "table-scroll")
}

function blockNode(block) {
  switch (block.type) {
    case "code":
      return codeBlock(block)
    case "heading":
      // The page's own headings end at 3.
      return element(`h${Math.min(6, block.level + 3)}`, inlineNodes(block.text), `heading-${block.level}`)
    case "rule":
      return element("hr")
    case "quote":
      return element("blockquote", block.blocks.map(blockNode))
    case "table":
      return tableBlock(block)
    case "list": {
      const items = block.items.map((blocks) => element("li", blocks.map(blockNode)))
      const list = element(block.ordered ? "ol" : "ul", items)
      if (block.ordered && block.start !== 1) list.start = block.start
      return list
    }
    default:
      return element("p", inlineNodes(block.text))
  }
}

/** Shows a text in a container, keeping the nodes of blocks that did not change since the last call. */
export function showMarkdown(container, text) {
  const blocks = parseMarkdown(text)
  const sources = container.markdownSources ?? []
  for (const [index, block] of blocks.entries()) {
    if (sources[index] === block.source && container.children[index] !== undefined) continue
    const node = blockNode(block)
    const old = container.children[index]
    if (old === undefined) container.append(node)
    else old.replaceWith(node)
  }
  while (container.children.length > blocks.length) container.lastElementChild.remove()
  container.markdownSources = blocks.map((block) => block.source)
}
