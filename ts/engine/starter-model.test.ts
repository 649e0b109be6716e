import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import t from "tap"
import { fixture, missingNative, startRank } from "./rank-host-fixture.ts"

interface Reference {
  readonly prompt: string
  readonly chat: boolean
  readonly prompt_ids: readonly number[]
  readonly output_ids: readonly number[]
}

const model = fileURLToPath(new URL("../../../models/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url))
const { cases }: { cases: readonly Reference[] } = JSON.parse(
  readFileSync(`${fixture("smollm2")}/reference.json`, "utf8"),
)
const skip = missingNative() || (existsSync(model) ? false : "the starter model is absent: scripts/setup.sh model")
const greedy = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: true }

t.test(
  "the starter model gives mlx-lm's tokens in float32, all prompts in one batch",
  { skip, timeout: 110_000 },
  async (t) => {
    const rank = await startRank(model, { numeric: "fp32" })
    try {
      const answers = cases.map(({ prompt_ids, output_ids }) =>
        rank.generate({
          promptIds: Int32Array.from(prompt_ids),
          sampling: greedy,
          maxTokens: output_ids.length,
        }),
      )
      for (const [i, answer] of (await Promise.all(answers)).entries())
        t.same(answer.tokens, cases[i]?.output_ids, cases[i]?.prompt ?? "")
    } finally {
      await rank.close()
    }
  },
)

t.test("the GGUF file's own tokenizer gives the reference's ids", { skip }, async (t) => {
  const { Checkpoint, Tokenizer } = await import("mlx-jaccl-rs")
  const tokenizer = Tokenizer.fromGguf(new Checkpoint(model))
  for (const { prompt, chat, prompt_ids } of cases) {
    const system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    const text = chat
      ? `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${prompt}<|im_end|>\n<|im_start|>assistant\n`
      : prompt
    t.same([...tokenizer.encode(text, false, true)], prompt_ids, prompt)
  }
})
