// Opens a model on disk - a folder with config.json and safetensors, or one .gguf file - and says all that can be known
// without loading weights. Plain data: it can be sent to another thread. Knows no MLX and no tokenizer.

import { readFile, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import type { Checkpoint } from "mlx-jaccl-rs"
import { EngineError } from "../errors.ts"
import { CONFIG_BOUNDS, configFields, isJsonObject, type JsonObject, tokenIds } from "./config-fields.ts"
import { modelConfigFromGguf } from "./gguf-config.ts"
import { modelConfigFromHf } from "./hf-config.ts"
import type { ModelConfig } from "./model-config.ts"
import { type GenerationDefaults, generationDefaults, type SpecialTokens, tokenizerFacts } from "./tokenizer-facts.ts"
import { countWeights } from "./weight-count.ts"

export interface ModelFiles {
  /** Absolute; a folder or a .gguf file. */
  readonly path: string
  /** Last part of the path, without ".gguf". */
  readonly name: string
  readonly format: "safetensors" | "gguf"
  readonly config: ModelConfig
  /** Where Tokenizer is made from: tokenizer.json, or the GGUF file itself. */
  readonly tokenizer: { readonly kind: "json" | "gguf"; readonly path: string }
  /** Jinja sources by name; "default" is the one to use unless tools are given and "tool_use" is there. */
  readonly chatTemplates: Readonly<Record<string, string>>
  /** Texts of bos_token, eos_token, ... as templates name them. GGUF gives ids only. */
  readonly specialTokens: SpecialTokens
  readonly defaults: GenerationDefaults
  /** Tokens that end an answer, as the files say. */
  readonly eosIds: readonly number[]
  readonly bosId: number | null
  readonly contextLength: number
  /** Of the weights. */
  readonly sizeBytes: number
  readonly parameters: number
  /** "4-bit", "Q4_1", "bf16", ... */
  readonly quantization: string
}

/** No configuration file or template is larger; a tokenizer.json is never read here. */
const LARGEST_CONFIG_BYTES = 16 << 20

export async function openModelFiles(path: string): Promise<ModelFiles> {
  const absolute = resolve(path)
  const found = await stat(absolute).catch((cause: unknown) => {
    throw new EngineError("model_unreadable", `${path}: no such file or folder.`, { cause })
  })
  if (found.isDirectory()) return openFolder(absolute)
  if (absolute.endsWith(".gguf")) return openGguf(absolute)
  throw new EngineError("model_unreadable", `${path}: expected a model folder or a .gguf file.`)
}

async function openFolder(path: string): Promise<ModelFiles> {
  const [configJson, generationJson, tokenizerJson, template] = await Promise.all([
    readJson(join(path, "config.json")),
    readJson(join(path, "generation_config.json")),
    readJson(join(path, "tokenizer_config.json")),
    readText(join(path, "chat_template.jinja")),
  ])
  if (configJson === null)
    throw new EngineError("model_unreadable", `${path}: there is no config.json. Give the folder that holds it.`)
  const tokenizerPath = join(path, "tokenizer.json")
  await stat(tokenizerPath).catch((cause: unknown) => {
    throw new EngineError("model_unreadable", `${path}: there is no tokenizer.json.`, { cause })
  })
  const tensors = (await openCheckpoint(path)).tensors()
  const source = join(basename(path), "config.json")
  const hasHead = tensors.some((tensor) => tensor.name === "lm_head.weight")
  const config = modelConfigFromHf(configJson, source, hasHead)
  const generation = generationJson ?? {}
  const fields = configFields(configJson, source)
  const generationFields = configFields(generation, join(basename(path), "generation_config.json"))
  const generationEos = tokenIds(generationFields, "eos_token_id")
  const facts = tokenizerFacts(tokenizerJson ?? {}, join(basename(path), "tokenizer_config.json"))
  const eosIds = generationEos.length > 0 ? generationEos : tokenIds(fields, "eos_token_id")
  return {
    path,
    name: basename(path),
    format: "safetensors",
    config,
    tokenizer: { kind: "json", path: tokenizerPath },
    chatTemplates: template === null ? facts.chatTemplates : { ...facts.chatTemplates, default: template },
    specialTokens: facts.specialTokens,
    defaults: generationDefaults(generationFields),
    eosIds: unique([...eosIds, ...(facts.eosId === null ? [] : [facts.eosId])], config.vocabularySize),
    bosId: tokenIds(fields, "bos_token_id")[0] ?? null,
    contextLength: config.contextLength,
    ...countWeights(tensors, config),
  }
}

async function openGguf(path: string): Promise<ModelFiles> {
  const checkpoint = await openCheckpoint(path)
  const metadata: unknown = JSON.parse(checkpoint.metadataJson())
  const tensors = checkpoint.tensors()
  const source = basename(path)
  const config = modelConfigFromGguf(metadata, tensors, source)
  const fields = configFields(isJsonObject(metadata) ? metadata : {}, source)
  const id = (name: string): readonly number[] => tokenIds(fields, `tokenizer.ggml.${name}_token_id`)
  return {
    path,
    name: basename(path, ".gguf"),
    format: "gguf",
    config,
    tokenizer: { kind: "gguf", path },
    chatTemplates: ggufTemplates(fields.object),
    specialTokens: {},
    defaults: await folderDefaults(path),
    eosIds: unique([...id("eos"), ...id("eot"), ...id("eom")], config.vocabularySize),
    bosId: id("bos")[0] ?? null,
    contextLength: fields.integer(`${fields.text("general.architecture")}.context_length`, CONFIG_BOUNDS.context, 2048),
    ...countWeights(tensors, config),
  }
}

/** A generation_config.json may lie beside a GGUF file. */
async function folderDefaults(path: string): Promise<GenerationDefaults> {
  const json = await readJson(join(dirname(path), "generation_config.json"))
  return generationDefaults(configFields(json ?? {}, "generation_config.json"))
}

/** tokenizer.chat_template is the default one; tokenizer.chat_template.<name> are the named ones. */
function ggufTemplates(metadata: JsonObject): Readonly<Record<string, string>> {
  const key = "tokenizer.chat_template"
  const templates: Record<string, string> = {}
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value !== "string" || !name.startsWith(key)) continue
    templates[name === key ? "default" : name.slice(key.length + 1)] = value
  }
  return templates
}

/** The addon is loaded here and not on import: the door of ts/engine opens without it. */
async function openCheckpoint(path: string): Promise<Checkpoint> {
  const native = await import("mlx-jaccl-rs")
  try {
    return new native.Checkpoint(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError("model_unreadable", `${basename(path)}: ${reason}`, { cause })
  }
}

/** null where there is no such file. */
async function readText(path: string): Promise<string | null> {
  try {
    if ((await stat(path)).size > LARGEST_CONFIG_BYTES)
      throw new EngineError("model_unreadable", `${path}: larger than ${LARGEST_CONFIG_BYTES} bytes.`)
    return await readFile(path, "utf8")
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null
    if (cause instanceof EngineError) throw cause
    throw new EngineError("model_unreadable", `${path}: cannot be read.`, { cause })
  }
}

async function readJson(path: string): Promise<JsonObject | null> {
  const text = await readText(path)
  if (text === null) return null
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new EngineError("model_unreadable", `${path}: not valid JSON.`, { cause })
  }
  if (!isJsonObject(json)) throw new EngineError("model_unreadable", `${path}: expected a JSON object.`)
  return json
}

function unique(ids: readonly number[], vocabularySize: number): readonly number[] {
  return [...new Set(ids)].filter((id) => id < vocabularySize)
}
