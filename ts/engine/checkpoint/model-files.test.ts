import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import t, { type Test } from "tap"
import { openModelFiles } from "./model-files.ts"

const fixture = (name: string): string => fileURLToPath(new URL(`../../../../fixtures/${name}`, import.meta.url))

const CONFIG = {
  model_type: "llama",
  hidden_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 64,
  vocab_size: 100,
  max_position_embeddings: 32,
  eos_token_id: 7,
  bos_token_id: 1,
}

/** A safetensors file of zeros; shapes by name. */
function safetensors(tensors: Record<string, { dtype: string; shape: number[]; bytes: number }>): Buffer {
  let end = 0
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
      end += bytes
      return [name, { dtype, shape, data_offsets: [end - bytes, end] }]
    }),
  )
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, Buffer.alloc(end)])
}

const EMBEDDING = { "model.embed_tokens.weight": { dtype: "F32", shape: [100, 64], bytes: 100 * 64 * 4 } }

/** A folder with these files beside small weights and a tokenizer; null leaves one out. */
async function folder(t: Test, files: Record<string, unknown>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "model-files-"))
  t.teardown(() => rm(path, { recursive: true }))
  const all: Record<string, unknown> = {
    "config.json": CONFIG,
    "tokenizer.json": "{}",
    "model.safetensors": safetensors(EMBEDDING),
    ...files,
  }
  for (const [name, content] of Object.entries(all)) {
    if (content === null) continue
    const text = typeof content === "string" || Buffer.isBuffer(content) ? content : JSON.stringify(content)
    await writeFile(join(path, name), text)
  }
  return path
}

t.test("the bundled model is known by its files", async (t) => {
  const files = await openModelFiles(fixture("tiny-qwen3"))
  t.match(files, {
    name: "tiny-qwen3",
    format: "safetensors",
    config: { family: "qwen3", layers: 8 },
    tokenizer: { kind: "json" },
    specialTokens: { eos_token: "<|im_end|>" },
    defaults: { temperature: 0 },
    eosIds: [4082, 4080],
    contextLength: 4096,
    parameters: 7345408,
    quantization: "bf16",
  })
  t.match(files.chatTemplates["default"], /im_start/)
  t.same(structuredClone(files), files, "plain data")
})

t.test("files beside config.json say the rest", async (t) => {
  const path = await folder(t, {
    "generation_config.json": { eos_token_id: [8, 9], temperature: 0.6, top_p: 0.95, top_k: -1, min_p: 0.1 },
    "tokenizer_config.json": {
      eos_token: { content: "</s>" },
      bos_token: "<s>",
      added_tokens_decoder: { "5": { content: "</s>" } },
      chat_template: [
        { name: "default", template: "plain" },
        { name: "tool_use", template: "tools" },
      ],
    },
  })
  t.match(await openModelFiles(path), {
    eosIds: [8, 9, 5],
    bosId: 1,
    defaults: { temperature: 0.6, topP: 0.95, topK: 0, minP: 0.1 },
    specialTokens: { bos_token: "<s>", eos_token: "</s>" },
    chatTemplates: { default: "plain", tool_use: "tools" },
    config: { tiedEmbeddings: true },
    parameters: 6400,
    quantization: "f32",
  })
})

t.test("chat_template.jinja wins over tokenizer_config.json", async (t) => {
  const path = await folder(t, { "chat_template.jinja": "own", "tokenizer_config.json": { chat_template: "other" } })
  t.same((await openModelFiles(path)).chatTemplates, { default: "own" })
})

t.test("packed weights count by their elements", async (t) => {
  const packed = {
    "model.embed_tokens.weight": { dtype: "U32", shape: [100, 8], bytes: 3200 },
    "model.embed_tokens.scales": { dtype: "F16", shape: [100, 1], bytes: 200 },
    "model.embed_tokens.biases": { dtype: "F16", shape: [100, 1], bytes: 200 },
  }
  const quantization = { bits: 4, group_size: 64 }
  const path = await folder(t, {
    "config.json": { ...CONFIG, quantization },
    "model.safetensors": safetensors(packed),
  })
  t.match(await openModelFiles(path), { parameters: 6400, sizeBytes: 3600, quantization: "4-bit" })
})

t.test("what is missing or broken is said in words, with the file", async (t) => {
  const refused = async (path: string, message: RegExp): Promise<void> => {
    await t.rejects(openModelFiles(path), { code: "model_unreadable", message })
  }
  await refused("/nowhere/model", /\/nowhere\/model: no such file or folder/)
  await refused(fileURLToPath(import.meta.url), /expected a model folder or a \.gguf file/)
  await refused(await folder(t, { "config.json": null }), /there is no config\.json/)
  await refused(await folder(t, { "tokenizer.json": null }), /there is no tokenizer\.json/)
  await refused(await folder(t, { "config.json": "{nonsense" }), /config\.json: not valid JSON/)
  await refused(await folder(t, { "config.json": "[]" }), /config\.json: expected a JSON object/)
  await refused(await folder(t, { "config.json": { ...CONFIG, vocab_size: -1 } }), /"vocab_size" is -1/)
  await refused(await folder(t, { "config.json": { ...CONFIG, model_type: "xlstm" } }), /"xlstm" is not supported/)
  await refused(await folder(t, { "config.json": { ...CONFIG, eos_token_id: "end" } }), /"eos_token_id" is "end"/)
  await refused(await folder(t, { "generation_config.json": { top_p: 7 } }), /generation_config.*"top_p" is 7/)
  await refused(await folder(t, { "tokenizer_config.json": { chat_template: [{}] } }), /without name or template/)
  await refused(await folder(t, { "model.safetensors": Buffer.from("short") }), /safetensors/)
  await refused(await folder(t, { "model.safetensors": null }), /safetensors/)
})
