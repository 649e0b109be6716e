// Random JSON schemas of many kinds, the same for the same seed.

interface RandomNumbers {
  /** A whole number below `most`. */
  below(most: number): number
  pick<Item>(items: readonly [Item, ...Item[]]): Item
}

/** Park, Miller: minimal standard generator (1988). */
function randomNumbers(seed: number): RandomNumbers {
  let state = (seed % 0x7ffffffe) + 1
  const below = (most: number): number => {
    state = (state * 48271) % 0x7fffffff
    return state % most
  }
  for (let i = 0; i < 8; i++) below(1)
  return { below, pick: (items) => items[below(items.length)] ?? items[0] }
}

type Schema = Readonly<Record<string, unknown>>

const WORDS = ["alpha", "b", "naïve", "with space", 'q"uote', "城", "x_1"] as const

/** An object schema; its values are finite, so that an answer comes to an end. */
export function randomSchema(seed: number): Schema {
  const random = randomNumbers(seed)
  const isRecursive = random.below(5) === 0
  const root = objectSchema(random, 3, isRecursive)
  if (!isRecursive) return root
  const node = {
    type: "object",
    properties: { value: scalar(random), next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } },
    required: ["value", "next"],
    additionalProperties: false,
  }
  return { ...root, $defs: { node } }
}

function objectSchema(random: RandomNumbers, depth: number, isRecursive: boolean): Schema {
  const count = 1 + random.below(4)
  const names = [...WORDS].slice(random.below(3)).slice(0, count)
  const properties = Object.fromEntries(names.map((name) => [name, value(random, depth - 1, isRecursive)]))
  return {
    type: "object",
    properties,
    required: names.filter(() => random.below(3) > 0),
    additionalProperties: random.below(6) === 0 ? { type: "integer" } : false,
  }
}

function value(random: RandomNumbers, depth: number, isRecursive: boolean): Schema {
  const kind = random.below(depth > 0 ? 10 : 5)
  if (kind < 5) return scalar(random)
  if (kind < 7) return objectSchema(random, depth, isRecursive)
  if (kind === 7) return { anyOf: [scalar(random), { type: "null" }] }
  if (kind === 8 && isRecursive) return { $ref: "#/$defs/node" }
  const least = random.below(2)
  return { type: "array", items: value(random, depth - 1, isRecursive), minItems: least, maxItems: least + 2 }
}

function scalar(random: RandomNumbers): Schema {
  const low = random.below(200) - 100
  switch (random.below(10)) {
    case 0:
      return { type: "string", maxLength: 2 + random.below(12) }
    case 1:
      return { type: "string", minLength: 3, maxLength: 8 }
    case 2:
      return {
        type: "string",
        pattern: random.pick(["^[a-z]{2,6}$", "^(yes|no)$", "^[A-Z][0-9]{1,3}$", "^\\d+-\\w?$"]),
      }
    case 3:
      return { type: "string", format: random.pick(["date", "time", "uuid", "ipv4"]) }
    case 4:
      return { enum: [...WORDS.slice(random.below(5)), 7, null] }
    case 5:
      return { const: random.pick<unknown>(["fixed", 3.5, true]) }
    case 6:
      return { type: "boolean" }
    case 7:
      return { type: "integer", minimum: low, maximum: low + random.below(5000) }
    case 8:
      return { type: "number", exclusiveMinimum: low, maximum: low + 1 + random.below(50) }
    default:
      return { type: ["integer", "null"], minimum: 0, maximum: 9 }
  }
}
