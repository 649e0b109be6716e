// Markup with escaping by default: a tagged template whose values are text unless they are markup made by it.
// Knows nothing of what it writes.

const markup: unique symbol = Symbol("markup")

/** Markup that is safe to send: only `html` makes it. */
export interface Html {
  readonly [markup]: string
}

export type HtmlValue = Html | string | number | null | undefined | false | readonly HtmlValue[]

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  // A line break would end a `data:` line of server-sent events.
  "\n": "&#10;",
  "\r": "&#13;",
}

/** Text as it may stand in an element or between the quotes of an attribute; never holds a line break. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"'\n\r]/g, (character) => ENTITIES[character] ?? "")
}

// The literal parts of a template are constants: their indentation is taken out once.
const compacted = new WeakMap<TemplateStringsArray, readonly string[]>()

function literals(strings: TemplateStringsArray): readonly string[] {
  let parts = compacted.get(strings)
  if (parts === undefined) {
    parts = strings.map((part) => part.replace(/>\s*\n\s*</g, "><").replace(/\s*\n\s*/g, " "))
    compacted.set(strings, parts)
  }
  return parts
}

function write(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return ""
  if (typeof value === "string") return escapeHtml(value)
  if (typeof value === "number") return String(value)
  if (markup in value) return value[markup]
  return value.map(write).join("")
}

/** html`<b title="${text}">${text}</b>`: values are escaped, nested markup and lists of it are kept. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const parts = literals(strings)
  let text = parts[0] ?? ""
  for (const [index, value] of values.entries()) text += write(value) + (parts[index + 1] ?? "")
  return { [markup]: text.trim() }
}

/** The characters to send. */
export function toText(value: Html): string {
  return value[markup]
}
