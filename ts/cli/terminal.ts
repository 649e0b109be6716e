// What a terminal may be sent: colours when it wants them, and never control characters of a model or a server.

import { styleText } from "node:util"

type Style = Parameters<typeof styleText>[0]

/** Text without control characters, which could move the cursor or rename the window; tabs and line breaks stay. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "")
}

export interface Paint {
  (style: Style, text: string): string
}

/** Colours for a stream, or none: a pipe, NO_COLOR. */
export function paintFor(stream: { readonly isTTY?: boolean }): Paint {
  const colours = stream.isTTY === true && !process.env["NO_COLOR"]
  return (style, text) => (colours ? styleText(style, text) : text)
}
