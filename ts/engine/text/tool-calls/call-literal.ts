// A text of the markup in a Lark grammar. Knows no format.

/** Control tokens in it go by their numbers: text never becomes one. "" for an empty text. */
export function callLiteral(text: string, controls: ReadonlyMap<string, number>): string {
  const parts: string[] = []
  let plain = ""
  const flush = (): void => {
    if (plain !== "") parts.push(JSON.stringify(plain))
    plain = ""
  }
  for (let at = 0; at < text.length; ) {
    const found = [...controls.keys()].filter((control) => control !== "" && text.startsWith(control, at))
    const control = found.toSorted((a, b) => b.length - a.length)[0]
    if (control === undefined) {
      plain += text[at++]
      continue
    }
    flush()
    parts.push(`<[${controls.get(control)}]>`)
    at += control.length
  }
  flush()
  return parts.join(" ")
}
