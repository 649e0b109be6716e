import t from "tap"
import { ropeTable } from "./rope.ts"

const base = { headDim: 64, ropeTheta: 500_000, contextLength: 131_072 }
const plain = ropeTable({ ...base, ropeScaling: null })

t.test("without scaling, frequency i is theta^(-2i/d)", async (t) => {
  t.equal(plain.frequencies.length, 32)
  t.equal(plain.frequencies[0], 1)
  t.equal(plain.frequencies[16], Math.fround(500_000 ** -0.5))
  t.equal(plain.scale, 1)
})

t.test("linear scaling divides every frequency", async (t) => {
  const scaled = ropeTable({ ...base, ropeScaling: { rope_type: "linear", factor: 4 } })
  t.same(
    scaled.frequencies,
    plain.frequencies.map((f) => f / 4),
  )
})

t.test("llama3 keeps short wavelengths, divides long ones and goes smoothly between", async (t) => {
  const ropeScaling = {
    rope_type: "llama3",
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  }
  const { frequencies } = ropeTable({ ...base, ropeScaling })
  frequencies.forEach((f, i) => {
    const unscaled = plain.frequencies[i] ?? 0
    const wavelength = (2 * Math.PI) / unscaled
    if (wavelength < 2048) t.equal(f, unscaled)
    else if (wavelength > 8192) t.equal(f, Math.fround(unscaled / 32))
    else t.ok(f < unscaled && f > unscaled / 32)
  })
})

t.test("yarn keeps fast dimensions, divides slow ones and scales cos and sin", async (t) => {
  const ropeScaling = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32_768 }
  const { frequencies, scale } = ropeTable({ ...base, ropeTheta: 1_000_000, headDim: 128, ropeScaling })
  const unscaled = ropeTable({ ...base, ropeTheta: 1_000_000, headDim: 128, ropeScaling: null }).frequencies
  t.equal(frequencies[0], 1)
  t.equal(frequencies[63], Math.fround((unscaled[63] ?? 0) / 4))
  t.equal(scale, 0.1 * Math.log(4) + 1)
})

t.test("dynamic scaling changes nothing within the trained length, and slows the turns beyond it", async (t) => {
  const scaling = { rope_type: "dynamic", factor: 2 }
  t.same(ropeTable({ ...base, ropeScaling: scaling }), plain)
  const longer = ropeTable({ ...base, ropeScaling: { ...scaling, original_max_position_embeddings: 8192 } })
  t.ok((longer.frequencies[31] ?? 1) < (plain.frequencies[31] ?? 0))
})

t.test("longrope divides by its long factors", async (t) => {
  const long = Array.from({ length: 32 }, (_, i) => 1 + i)
  const ropeScaling = { rope_type: "longrope", long_factor: long, original_max_position_embeddings: 4096 }
  const { frequencies, scale } = ropeTable({ ...base, ropeScaling })
  t.equal(frequencies[1], Math.fround(500_000 ** (-2 / 64) / 2))
  t.equal(scale, Math.sqrt(1 + Math.log(32) / Math.log(4096)))
})

t.test("an unknown kind and a missing number are named", async (t) => {
  t.throws(() => ropeTable({ ...base, ropeScaling: { rope_type: "spiral" } }), /"spiral"/)
  t.throws(() => ropeTable({ ...base, ropeScaling: { rope_type: "yarn" } }), /"factor"/)
})
