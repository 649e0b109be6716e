// DeepSeek V3.2 and later: <｜DSML｜function_calls><｜DSML｜invoke name="f"><｜DSML｜parameter name="a" string="true">value
// </｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>. The markup says which values are strings and which are JSON.

import type { ToolCallFormat } from "./format.ts"
import { type CallTags, createTaggedCallReader } from "./tagged-call.ts"

const TAGS: CallTags = {
  head: /^\s*<｜DSML｜invoke name="(?<name>[^"\n]+)"\s*>/,
  parameter:
    /^\s*<｜DSML｜parameter name="(?<name>[^"\n]+)"(?:\s+string="(?<string>true|false)")?\s*>(?<value>[\s\S]*?)<\/｜DSML｜parameter>/,
  parameterEnd: "</｜DSML｜parameter>",
  end: /^\s*<\/｜DSML｜invoke>\s*/,
}

export const deepseekDsml: ToolCallFormat = {
  name: "deepseek_dsml",
  matches: (template) => template.includes("｜DSML｜"),
  starts: ["<｜DSML｜function_calls>", "<｜DSML｜tool_calls>"],
  ends: ["</｜DSML｜function_calls>", "</｜DSML｜tool_calls>"],
  // The bars with the name between them may be one token.
  markers: ["｜DSML｜"],
  reader: (tools) => createTaggedCallReader(tools, TAGS),
}
