// Rotary position embedding: inverse frequencies of every kind of scaling, in f64, rounded once to f32. One static table
// a model. Formulas: the papers of NTK, YaRN and LongRoPE as transformers' modeling_rope_utils states them, and Meta's
// code for llama3.

import type { ModelConfig } from "../checkpoint/model-config.ts"
import { EngineError } from "../errors.ts"
import { RopeMode, type Weight } from "../models/command-buffer.ts"
import type { WeightPlan } from "../models/weight-plan.ts"

export interface RopeTable {
  /** [rope dims / 2] */
  readonly frequencies: Float32Array
  /** Multiplies cos and sin. */
  readonly scale: number
}

export interface Rope {
  readonly frequencies: Weight
  readonly scale: number
  readonly dims: number
  /** RopeMode. */
  readonly mode: number
}

export type RopeInput = Pick<ModelConfig, "headDim" | "ropeTheta" | "ropeScaling" | "contextLength">

/** `factors` are the divisors of a checkpoint that brings them as a tensor (rope_type "factors"). */
export function describeRope(plan: WeightPlan, factors: Float32Array | null): Rope {
  const table = ropeTable(plan.config, factors)
  return {
    frequencies: plan.compute(table.frequencies),
    scale: table.scale,
    dims: plan.config.headDim,
    mode: plan.config.ropePairs ? RopeMode.PAIRS : RopeMode.HALF,
  }
}

export function ropeTable(config: RopeInput, factors: Float32Array | null = null): RopeTable {
  const { headDim: dims, ropeTheta: base, contextLength } = config
  const scaling = config.ropeScaling ?? {}
  const number = (name: string, fallback?: number): number => {
    const value = scaling[name] ?? fallback
    if (typeof value === "number" && Number.isFinite(value)) return value
    throw new EngineError("model_unreadable", `rope_scaling of the model lacks the number "${name}".`)
  }
  const plain = (theta: number): number[] => Array.from({ length: dims / 2 }, (_, i) => theta ** ((-2 * i) / dims))
  const named = scaling["rope_type"]
  const type = typeof named === "string" ? named : "default"
  const original = (): number => number("original_max_position_embeddings", contextLength)

  switch (type) {
    case "default":
      return table(plain(base))
    case "linear": {
      const factor = number("factor")
      return table(plain(base).map((f) => f / factor))
    }
    case "dynamic": {
      // The base grows with the length beyond the trained one; the longest length the model may be run at sets it.
      const factor = number("factor")
      const growth = Math.max(1, (factor * contextLength) / original() - (factor - 1))
      return table(plain(base * growth ** (dims / (dims - 2))))
    }
    case "llama3": {
      const factor = number("factor")
      const low = number("low_freq_factor")
      const high = number("high_freq_factor")
      const old = original()
      return table(
        plain(base).map((f) => {
          const wavelength = (2 * Math.PI) / f
          if (wavelength < old / high) return f
          if (wavelength > old / low) return f / factor
          const smooth = (old / wavelength - low) / (high - low)
          return ((1 - smooth) * f) / factor + smooth * f
        }),
      )
    }
    case "yarn":
      return yarn(plain(base), dims, base, original(), number)
    case "longrope": {
      const long = scaling["long_factor"]
      if (!Array.isArray(long) || long.length !== dims / 2) {
        throw new EngineError("model_unreadable", `rope_scaling needs a long_factor of ${dims / 2} numbers.`)
      }
      const factor = contextLength / original()
      const byLength = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original()))
      const frequencies = plain(base).map((f, i) => f / Number(long[i]))
      return table(frequencies, number("attention_factor", byLength))
    }
    case "factors": {
      if (factors?.length !== dims / 2) {
        throw new EngineError("model_unreadable", `The model's rope factors are not ${dims / 2} numbers.`)
      }
      return table(plain(base).map((f, i) => f / (factors[i] ?? 1)))
    }
    default:
      throw new EngineError("model_unreadable", `The rope type "${type}" is not supported.`)
  }
}

function table(frequencies: readonly number[], scale = 1): RopeTable {
  return { frequencies: Float32Array.from(frequencies), scale }
}

function yarn(
  plain: readonly number[],
  dims: number,
  base: number,
  original: number,
  number: (name: string, fallback?: number) => number,
): RopeTable {
  const factor = number("factor")
  /** The dimension that turns `rotations` times over the original length. */
  const dimension = (rotations: number): number =>
    (dims * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(base))
  const low = Math.max(0, Math.floor(dimension(number("beta_fast", 32))))
  const high = Math.min(dims - 1, Math.ceil(dimension(number("beta_slow", 1))))
  const frequencies = plain.map((f, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / Math.max(high - low, 0.001)))
    return (f / factor) * ramp + f * (1 - ramp)
  })
  const mscale = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
  const all = number("mscale_all_dim", 0)
  const fallback = all === 0 ? mscale(1) : mscale(number("mscale", 1)) / mscale(all)
  return table(frequencies, number("attention_factor", fallback))
}
