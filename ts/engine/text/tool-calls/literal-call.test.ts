import t from "tap"
import { gives } from "./tool-call-fixture.ts"

t.test("lfm2: Python calls, several, with commas and brackets in strings", async (t) => {
  const block = (body: string): string => `<|tool_call_start|>${body}<|tool_call_end|>`
  gives(t, "lfm2", `${block('[get_weather(city="a, b)", days=3), get-time()]')} Done.`, "Done.", [
    ["get_weather", '{"city": "a, b)", "days": 3}'],
    ["get-time", "{}"],
  ])
  gives(t, "lfm2", block("[get-time(utc=True, zone=None, x=[1, 'it\\'s', {'a': (2, None)}], y=-1.5e3)]"), "", [
    ["get-time", '{"utc": true, "zone": null, "x": [1, "it\'s", {"a": [2, null]}], "y": -1.5e3}'],
  ])
  gives(t, "lfm2", block('[get_weather(city="""say "hi"\n""", days="2")]'), "", [
    ["get_weather", '{"city": "say \\"hi\\"\\n", "days": 2}'],
  ])
  gives(t, "lfm2", block('[get_weather(city="", x="\\u00e9\\n")]'), "", [["get_weather", '{"city": "", "x": "é\\n"}']])
  gives(t, "lfm2", block("[get_weather('Oslo', 3)]"), "", [["get_weather", '{"city": "Oslo", "days": 3}']])
  gives(t, "lfm2", block("[nobody(a=1)]"), block("[nobody(a=1)]"), [])
  gives(t, "lfm2", "<|tool_call_start|>[get_wea", "<|tool_call_start|>[get_wea", [])
  gives(t, "lfm2", '<|tool_call_start|>[get_weather(days=1, city="Os', "", [["get_weather", '{"days": 1']], 0)
})

t.test("llama pythonic: the whole answer is the list, or it is none", async (t) => {
  gives(t, "llama_pythonic", '[get_weather(city="Oslo"), get_weather(city="Rome")]', "", [
    ["get_weather", '{"city": "Oslo"}'],
    ["get_weather", '{"city": "Rome"}'],
  ])
  gives(t, "llama_pythonic", "<|python_start|>[get-time()]<|python_end|>", "", [["get-time", "{}"]])
  gives(t, "llama_pythonic", "[1, 2] is a list", "[1, 2] is a list", [])
})

t.test("gemma 4: bare keys, strings between their own marks, nested values, several calls", async (t) => {
  const block = (body: string): string => `<|tool_call>${body}<tool_call|>`
  gives(t, "gemma4", block('call:get_weather{city:<|"|>a, {b} "c"<|"|>,days:3}call:get-time{}'), "", [
    ["get_weather", '{"city": "a, {b} \\"c\\"", "days": 3}'],
    ["get-time", "{}"],
  ])
  gives(t, "gemma4", block('call:get-time{a-b.c:true,o:{x-y:<|"|>v<|"|>,l:[1,<|"|>w<|"|>,{}]},n:null}'), "", [
    ["get-time", '{"a-b.c": true, "o": {"x-y": "v", "l": [1, "w", {}]}, "n": null}'],
  ])
  gives(t, "gemma4", `Hi.\n${block("call:get_weather{city:Oslo}")}`, "Hi.", [["get_weather", '{"city": "Oslo"}']])
  gives(t, "gemma4", block("call:nobody{}"), block("call:nobody{}"), [])
})

t.test("what stands without marks is a string only where the schema wants nothing else", async (t) => {
  gives(t, "gemma4", "<|tool_call>call:get-time{zone:null}<tool_call|>", "", [["get-time", '{"zone": null}']])
  gives(t, "gemma4", "<|tool_call>call:get-time{zone:5}<tool_call|>", "", [["get-time", '{"zone": "5"}']])
  gives(t, "gemma4", "<|tool_call>call:set{level:5}<tool_call|>", "", [["set", '{"level": 5}']])
  gives(t, "gemma4", '<|tool_call>call:set{level:<|"|>5<|"|>}<tool_call|>', "", [["set", '{"level": "5"}']])
})

t.test("function gemma: several calls, nested objects", async (t) => {
  const call = (body: string): string => `<start_function_call>${body}<end_function_call>`
  gives(
    t,
    "function_gemma",
    call("call:get_weather{city:<escape>Oslo<escape>,o:{a:{b:1}}}") + call("call:get-time{utc:false}"),
    "",
    [
      ["get_weather", '{"city": "Oslo", "o": {"a": {"b": 1}}}'],
      ["get-time", '{"utc": false}'],
    ],
  )
})
