// A schema's pattern as a regex over the whole of a text. Knows no grammar.

const CLASSES: Readonly<Record<string, string>> = { d: "0-9", w: "A-Za-z0-9_" }
const ANY = String.raw`(.|\n)*`

/** In Rust's syntax, to stand between slashes; null where it needs what such a regex lacks. */
export function textPattern(pattern: string): string | null {
  if (/\(\?(?!:)|\\[1-9bBkpP]/.test(pattern)) return null
  let out = ""
  let inClass = false
  let depth = 0
  let hasChoice = false
  let isOpenBefore = true
  let isOpenAfter = true
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? ""
    if (char === "\\") {
      const next = pattern[++at] ?? ""
      const known = CLASSES[next]
      const other = CLASSES[next.toLowerCase()]
      if (known !== undefined) out += inClass ? known : `[${known}]`
      else if (other !== undefined && inClass) return null
      else out += other === undefined ? `\\${next}` : `[^${other}]`
      continue
    }
    if (!inClass && char === "^") {
      if (at > 0) return null
      isOpenBefore = false
      continue
    }
    if (!inClass && char === "$") {
      if (at < pattern.length - 1) return null
      isOpenAfter = false
      continue
    }
    if (char === "[") inClass = true
    else if (char === "]") inClass = false
    else if (char === "(") depth++
    else if (char === ")") depth--
    else if (char === "|" && !inClass && depth === 0) hasChoice = true
    out += char === "/" ? "\\/" : char === "\n" ? "\\n" : char
  }
  if (hasChoice && isOpenBefore !== isOpenAfter) return null
  if (hasChoice && !isOpenBefore) return null
  return `${isOpenBefore ? ANY : ""}(${out})${isOpenAfter ? ANY : ""}`
}
