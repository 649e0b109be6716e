// Keeps control tokens that stand in what a user wrote from becoming control tokens: their texts are replaced by private
// marks before a template is rendered, so that afterwards the template's own can be told from the user's. Knows no
// template and no tokenizer library.

import { randomBytes } from "node:crypto"

export interface ControlTextGuard {
  /** A copy of the value with the control texts in its strings and keys replaced. */
  hide(value: unknown): unknown
  /** The marks turned back into what the user wrote. */
  restore(rendered: string): string
  /**
   * Pieces to encode one after the other. A literal piece is encoded without parsing control tokens. A rendering without
   * hidden texts is one piece; borders lie at the template's own control tokens only, where no merge can cross.
   */
  pieces(rendered: string): readonly { readonly text: string; readonly literal: boolean }[]
}

/** Patterns made once a template: made anew for each prompt, their machine code would pile up. */
export interface ControlTexts {
  /** One for each prompt. */
  guard(): ControlTextGuard
}

/** A mark of any guard; its first group is the guard's own number. */
const MARKS = /\uE000([\da-f]+)\.(\d+)\uE001/g

const NOTHING_TO_GUARD: ControlTextGuard = {
  hide: (value) => value,
  restore: (text) => text,
  pieces: (text) => [{ text, literal: false }],
}

/**
 * `controlTexts`: texts of the control tokens. `markupTexts`: of other tokens that templates write (<think>); they stay
 * tokens beside hidden texts, and are borders, too.
 */
export function createControlTexts(controlTexts: readonly string[], markupTexts: readonly string[] = []): ControlTexts {
  const texts = controlTexts.filter((text) => text.length > 0).toSorted((a, b) => b.length - a.length)
  if (texts.length === 0) return { guard: () => NOTHING_TO_GUARD }
  const controls = new RegExp(texts.map(escapeForRegExp).join("|"), "g")
  const borders = new RegExp(`(${[controls.source, ...markupTexts.map(escapeForRegExp)].join("|")})`)
  return { guard: () => createGuard(texts, controls, borders) }
}

function createGuard(texts: readonly string[], controls: RegExp, borders: RegExp): ControlTextGuard {
  // A fresh number each time: nobody can write a mark by hand.
  const nonce = randomBytes(8).toString("hex")
  const mark = (index: number): string => `\uE000${nonce}.${index}\uE001`
  let hidden = 0

  function hideText(text: string): string {
    return text.replace(controls, (found) => {
      hidden++
      return mark(texts.indexOf(found))
    })
  }

  function hide(value: unknown): unknown {
    if (typeof value === "string") return hideText(value)
    if (Array.isArray(value)) return value.map(hide)
    if (typeof value === "object" && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [hideText(key), hide(inner)]))
    return value
  }

  const restore = (text: string): string =>
    text.replace(MARKS, (found, by: string, index: string) => (by === nonce ? (texts[Number(index)] ?? "") : found))

  return {
    hide,
    restore,
    pieces(rendered) {
      if (hidden === 0) return [{ text: rendered, literal: false }]
      const pieces: { text: string; literal: boolean }[] = []
      let trusted = ""
      for (const part of rendered.split(borders)) {
        const restored = restore(part)
        if (restored === part) {
          trusted += part
          continue
        }
        if (trusted !== "") pieces.push({ text: trusted, literal: false })
        pieces.push({ text: restored, literal: true })
        trusted = ""
      }
      if (trusted !== "") pieces.push({ text: trusted, literal: false })
      return pieces
    },
  }
}

function escapeForRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")
}
