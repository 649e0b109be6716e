// The inside of a line of Markdown: code, emphasis, links, line breaks. Pure; looks at each character a bounded number
// of times, because a model may write anything.

const ESCAPABLE = "\\`*_{}[]()#+-.!|~<>"
const SAFE_URL = /^(?:https?:\/\/|mailto:)[^\s<>"]+$/i
const BARE_URL = /^https?:\/\/[^\s<>"`*]+[^\s<>"`*.,;:!?)\]']/i
/** Longest link text or target looked for; bounds the search for a closing bracket. */
const LINK_SPAN = 2048
/** Emphasis within emphasis deeper than this stays text. */
const DEPTH_MAX = 6

const MARKS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "del"],
  ["*", "em"],
  ["_", "em"],
]

const isWord = (character) => character !== undefined && /[\p{L}\p{N}]/u.test(character)

function readCode(text, at) {
  let ticks = 1
  while (text[at + ticks] === "`") ticks++
  const fence = "`".repeat(ticks)
  const end = text.indexOf(fence, at + ticks)
  if (end < 0) return null
  const inner = text.slice(at + ticks, end)
  const trimmed = /^ .*\S.* $/s.test(inner) ? inner.slice(1, -1) : inner
  return { part: { type: "code", text: trimmed }, next: end + ticks }
}

function readLink(text, at, depth) {
  const close = text.indexOf("](", at)
  if (close < 0 || close - at > LINK_SPAN) return null
  const end = text.indexOf(")", close)
  if (end < 0 || end - close > LINK_SPAN) return null
  const url = text
    .slice(close + 2, end)
    .trim()
    .split(/\s+/)[0]
  const label = text.slice(at + 1, close)
  if (!SAFE_URL.test(url) || label.includes("[")) return null
  return { part: { type: "link", url, parts: parse(label, depth + 1) }, next: end + 1 }
}

function readEmphasis(text, at, depth, closers) {
  for (const [mark, type] of MARKS) {
    if (!text.startsWith(mark, at)) continue
    const inner = at + mark.length
    const next = text[inner]
    if (next === undefined || /\s/.test(next)) continue
    // snake_case is no emphasis.
    if (mark[0] === "_" && isWord(text[at - 1])) continue
    // A mark that was not closed from here on is not closed from later on either.
    if (closers.has(mark)) continue
    let end = text.indexOf(mark, inner + 1)
    while (end > 0 && (/\s/.test(text[end - 1]) || (mark[0] === "_" && isWord(text[end + mark.length])))) {
      end = text.indexOf(mark, end + 1)
    }
    if (end < 0) {
      closers.add(mark)
      continue
    }
    // "**bold *and slanted***": the inner mark takes the first star.
    if (mark.length === 2 && text[end + 2] === mark[0]) end++
    return { part: { type, parts: parse(text.slice(inner, end), depth + 1) }, next: end + mark.length }
  }
  return null
}

function readBareUrl(text, at) {
  if (isWord(text[at - 1])) return null
  const url = BARE_URL.exec(text.slice(at, at + LINK_SPAN))?.[0]
  if (url === undefined) return null
  return { part: { type: "link", url, parts: [{ type: "text", text: url }] }, next: at + url.length }
}

function read(text, at, depth, closers) {
  switch (text[at]) {
    case "`":
      return readCode(text, at)
    case "[":
      return depth < DEPTH_MAX ? readLink(text, at, depth) : null
    case "*":
    case "_":
    case "~":
      return depth < DEPTH_MAX ? readEmphasis(text, at, depth, closers) : null
    case "h":
      return text.startsWith("http", at) ? readBareUrl(text, at) : null
    default:
      return null
  }
}

function parse(text, depth) {
  const parts = []
  const closers = new Set()
  let plain = ""
  const flush = () => {
    if (plain !== "") parts.push({ type: "text", text: plain })
    plain = ""
  }
  let at = 0
  while (at < text.length) {
    if (text[at] === "\\" && ESCAPABLE.includes(text[at + 1] ?? " ")) {
      plain += text[at + 1]
      at += 2
      continue
    }
    if (text[at] === "\n") {
      flush()
      parts.push({ type: "break" })
      at++
      continue
    }
    const found = read(text, at, depth, closers)
    if (found === null) {
      // A run of backticks without an end is text as a whole, or each of its ticks would search again.
      const run = text[at] === "`" ? (/^`+/.exec(text.slice(at))?.[0] ?? text[at]) : text[at]
      plain += run
      at += run.length
      continue
    }
    flush()
    parts.push(found.part)
    at = found.next
  }
  flush()
  return parts
}

/** Parts of a line: text, break, code, and strong, em, del, link with parts of their own. */
export function parseInline(text) {
  return parse(text, 0)
}
