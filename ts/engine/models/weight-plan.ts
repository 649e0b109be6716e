// Which tensors of a checkpoint a model needs, as data: a number, pieces of tensors, and how each is split over ranks.
// A family describes its weights against it; weight-loader.ts carries it out. Reads no tensor.

import type { TensorInfo, WeightQuantization } from "mlx-jaccl-rs"
import type { ModelConfig } from "../checkpoint/model-config.ts"
import { EngineError } from "../errors.ts"
import type { Weight } from "./command-buffer.ts"
import { isIgnored, moduleName, type ModuleRole } from "./weight-names.ts"

/**
 * How a weight is split: by outputs (all-to-sharded), by inputs (sharded-to-all), by whole heads of outputs (a KV head
 * is repeated where there are more ranks than heads), or not at all.
 */
export type ShardRule = "rows" | "columns" | "heads" | "replicated"

export interface WeightPart {
  readonly name: string
  /** Rows of the tensor that the whole model takes. */
  readonly rowStart: number
  readonly rows: number
  readonly columns: number
  /** Rows that must stay together: the head size under "heads", else 1. */
  readonly unit: number
  /** Rows (under "columns": columns) [from, to) of this rank; without it they are split evenly. */
  readonly share?: Share
}

/** [from, to) of the axis that is split. */
export type Share = readonly [from: number, to: number]

export interface PlannedWeight {
  readonly weight: Weight
  readonly kind: "matrix" | "vector"
  /** Joined along the rows. */
  readonly parts: readonly WeightPart[]
  readonly shard: ShardRule
  readonly quantization: WeightQuantization | null
}

/** A vector that is computed and not read: rope frequencies. */
export interface ComputedWeight {
  readonly weight: Weight
  readonly values: Float32Array
}

/** One output group of a matrix product. */
export interface MatrixPart {
  readonly role: ModuleRole
  readonly layer?: number
  readonly rows: number
  readonly unit?: number
  readonly share?: Share
}

export interface PlannedMatrix {
  readonly weight: Weight
  readonly parts: readonly MatrixPart[]
}

/** Position in the group of ranks that share the model. */
export interface RankPosition {
  readonly rank: number
  readonly size: number
  /** Of all ranks, above 0: how large a share each takes. Without them the shares are even. */
  readonly weights?: readonly number[] | undefined
}

export interface WeightPlan {
  readonly config: ModelConfig
  readonly position: RankPosition
  readonly weights: readonly PlannedWeight[]
  readonly computed: readonly ComputedWeight[]
  has(role: ModuleRole, layer?: number, tensor?: "weight" | "bias"): boolean
  /**
   * One weight for neighbouring parts of equal format, of `columns` inputs each. Several only where a checkpoint mixes
   * formats: their outputs are to be joined.
   */
  matrices(parts: readonly MatrixPart[], columns: number, shard: ShardRule): readonly PlannedMatrix[]
  /** Vectors joined. */
  vector(parts: readonly MatrixPart[], shard: ShardRule, tensor?: "weight" | "bias"): Weight
  /** All experts as one matrix: for every expert the rows of each role in turn (opcodes.h, OP_MOE). */
  experts(roles: readonly ExpertRole[], layer: number, shape: ExpertShape): Weight
  /** A tensor that is read by the loader by other means. */
  claim(name: string): void
  compute(values: Float32Array): Weight
  /** Throws if the checkpoint holds a tensor that nobody asked for. */
  finish(): void
}

export interface ExpertShape {
  readonly experts: number
  readonly rows: number
  readonly columns: number
  /** Of each expert, the same for all. */
  readonly shard: ShardRule
  readonly share: Share
}

export interface ExpertRole {
  readonly single: ModuleRole
  readonly stacked: ModuleRole
}

export interface WeightPlanOptions {
  /** Weights are numbered from here: models in one engine share the numbers. */
  readonly firstWeight?: Weight
  readonly position?: RankPosition
}

const NAMED_IN_ERRORS = 4

export function createWeightPlan(
  config: ModelConfig,
  tensors: readonly TensorInfo[],
  options: WeightPlanOptions = {},
): WeightPlan {
  const { firstWeight = 0, position = { rank: 0, size: 1 } } = options
  const index = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const used = new Set<string>()
  const weights: PlannedWeight[] = []
  const computed: ComputedWeight[] = []
  let next: Weight = firstWeight

  const unreadable = (message: string): EngineError => new EngineError("model_unreadable", message)

  function tensor(name: string): TensorInfo {
    const found = index.get(name)
    if (found === undefined) throw unreadable(`The weights lack the tensor ${name}.`)
    used.add(name)
    return found
  }

  /** How a module's matrix is packed, or null where its tensor is dense or says it itself (GGUF). */
  function quantizationOf(module: string): WeightQuantization | null {
    if (!index.has(`${module}.scales`)) return null
    tensor(`${module}.scales`)
    const own = config.moduleQuantization[module]
    const found = own === undefined ? config.quantization : own
    if (found === null || found === false) {
      throw unreadable(`${module} has scales, but config.json does not say how it is quantized.`)
    }
    if (found.mode === "affine") tensor(`${module}.biases`)
    return { bits: found.bits, groupSize: found.groupSize, mode: found.mode }
  }

  function part(module: string, rowStart: number, rows: number, columns: number, unit: number, total: number) {
    const name = `${module}.weight`
    const info = tensor(name)
    const quantization = quantizationOf(module)
    const packed = quantization === null ? columns : (columns * quantization.bits) / 32
    const shape = [info.shape.slice(0, -1).reduce((a, b) => a * b, 1), info.shape.at(-1) ?? 0]
    if (shape[0] !== total || shape[1] !== packed) {
      throw unreadable(`${name} has shape [${info.shape.join(", ")}], not [${total}, ${packed}].`)
    }
    const format =
      quantization === null ? info.dtype : `${quantization.mode}-${quantization.bits}-${quantization.groupSize}`
    return { part: { name, rowStart, rows, columns, unit } satisfies WeightPart, quantization, format }
  }

  function add(planned: Omit<PlannedWeight, "weight">): Weight {
    weights.push({ weight: next, ...planned })
    return next++
  }

  return {
    config,
    position,
    weights,
    computed,
    has(role, layer = 0, suffix = "weight") {
      return index.has(`${moduleName(config.names, role, layer)}.${suffix}`)
    },
    matrices(parts, columns, shard) {
      interface Group {
        readonly asked: MatrixPart[]
        readonly found: WeightPart[]
        readonly quantization: WeightQuantization | null
        readonly format: string
      }
      const groups: Group[] = []
      for (const asked of parts) {
        const { role, layer = 0, rows, unit = 1 } = asked
        const { part: whole, ...found } = part(moduleName(config.names, role, layer), 0, rows, columns, unit, rows)
        const own = asked.share === undefined ? whole : { ...whole, share: asked.share }
        const last = groups.at(-1)
        if (last?.format === found.format) {
          last.asked.push(asked)
          last.found.push(own)
        } else {
          const { quantization, format } = found
          groups.push({ asked: [asked], found: [own], quantization, format })
        }
      }
      return groups.map(({ asked, found, quantization }) => {
        return { weight: add({ kind: "matrix", parts: found, shard, quantization }), parts: asked }
      })
    },
    vector(parts, shard, suffix = "weight") {
      const pieces = parts.map(({ role, layer = 0, rows, unit = 1, share }): WeightPart => {
        const name = `${moduleName(config.names, role, layer)}.${suffix}`
        const info = tensor(name)
        if (info.shape.length !== 1 || info.shape[0] !== rows) {
          throw unreadable(`${name} has shape [${info.shape.join(", ")}], not [${rows}].`)
        }
        return { name, rowStart: 0, rows, columns: 1, unit, ...(share === undefined ? {} : { share }) }
      })
      return add({ kind: "vector", parts: pieces, shard, quantization: null })
    },
    experts(roles, layer, { experts, rows, columns, shard, share }) {
      const pieces: WeightPart[] = []
      let first: { quantization: WeightQuantization | null; format: string } | null = null
      for (let expert = 0; expert < experts; expert++) {
        for (const { single, stacked } of roles) {
          const isStacked = index.has(`${moduleName(config.names, stacked, layer)}.weight`)
          const module = moduleName(
            config.names,
            isStacked || config.names === "gguf" ? stacked : single,
            layer,
            expert,
          )
          const found = isStacked
            ? part(module, expert * rows, rows, columns, 1, experts * rows)
            : part(module, 0, rows, columns, 1, rows)
          first ??= found
          if (found.format !== first.format) {
            throw unreadable(`${module} is ${found.format}, but the layer's first expert is ${first.format}.`)
          }
          pieces.push({ ...found.part, share })
        }
      }
      const quantization = first?.quantization ?? null
      return add({ kind: "matrix", parts: pieces, shard, quantization })
    },
    claim(name) {
      tensor(name)
    },
    compute(values) {
      computed.push({ weight: next, values })
      return next++
    },
    finish() {
      const unknown = [...index.keys()].filter((name) => !used.has(name) && !isIgnored(name, config))
      if (unknown.length === 0) return
      const named = unknown.slice(0, NAMED_IN_ERRORS).join(", ")
      const more = unknown.length > NAMED_IN_ERRORS ? ` and ${unknown.length - NAMED_IN_ERRORS} more` : ""
      throw unreadable(`The weights hold tensors that a ${config.family} model does not have: ${named}${more}.`)
    },
  }
}
