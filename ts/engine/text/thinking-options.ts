// How a request for more, less or no thinking reaches a chat template: templates know different names and values. Knows no
// Jinja.

/** An effort that a template does not name becomes the nearest of these, which all that know efforts do. */
const NEAREST: Readonly<Record<string, string>> = { none: "low", minimal: "low", xhigh: "high", max: "high" }

/** The options by all the names that templates use. An effort alone says whether to think, too. */
export function thinkingOptions(
  options: Readonly<Record<string, unknown>>,
  template: string,
): Readonly<Record<string, unknown>> {
  const effort = options["reasoning_effort"]
  const thinks = thinkingOf(options)
  return {
    ...options,
    ...(thinks !== null && { enable_thinking: thinks, thinking: thinks }),
    ...(typeof effort === "string" && { reasoning_effort: named(effort, template) }),
  }
}

/** null: the request says nothing. */
export function thinkingOf(options: Readonly<Record<string, unknown>>): boolean | null {
  const { enable_thinking, thinking, reasoning_effort } = options
  if (typeof enable_thinking === "boolean") return enable_thinking
  if (typeof thinking === "boolean") return thinking
  return typeof reasoning_effort === "string" ? reasoning_effort !== "none" : null
}

function named(effort: string, template: string): string {
  return template.includes(`'${effort}'`) || template.includes(`"${effort}"`) ? effort : (NEAREST[effort] ?? effort)
}
