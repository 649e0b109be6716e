import { join } from "node:path"
import t from "tap"
import { locateModel, STARTER_MODEL } from "./model-location.ts"

t.test("a name leads to a path, the test model, the models folder or the starter model", async (t) => {
  const root = t.testdir({
    models: { [STARTER_MODEL]: "", qwen: {}, "mlx-community": { "Qwen3-0.6B-4bit": {} }, "phi.gguf": "" },
    other: {},
  })
  const modelsFolder = join(root, "models")
  const places = { root, modelsFolder }
  t.equal(await locateModel(undefined, places), join(modelsFolder, STARTER_MODEL))
  t.equal(await locateModel("tiny", places), join(root, "fixtures/tiny-qwen3"))
  t.equal(await locateModel(join(root, "other"), places), join(root, "other"))
  t.equal(await locateModel("qwen", places), join(modelsFolder, "qwen"))
  t.equal(await locateModel("phi", places), join(modelsFolder, "phi.gguf"))
  t.equal(
    await locateModel("mlx-community/Qwen3-0.6B-4bit", places),
    join(modelsFolder, "mlx-community/Qwen3-0.6B-4bit"),
  )
  t.equal(await locateModel("someone/qwen", places), join(modelsFolder, "qwen"))
})

t.test("a model that is not there is refused with what is there", async (t) => {
  const root = t.testdir({ models: { qwen: {} }, empty: {} })
  const places = { root, modelsFolder: join(root, "models") }
  await t.rejects(locateModel("llama", places), { exitCode: 2, message: /no model "llama".*there: qwen/ })
  await t.rejects(locateModel("/nowhere/llama", places), { exitCode: 2, message: /no model at \/nowhere\/llama/ })
  await t.rejects(locateModel("../empty/x", places), { exitCode: 2, message: /no model/ })
  await t.rejects(locateModel("qwen/../../empty", places), { exitCode: 2, message: /no model/ })
  await t.rejects(locateModel(undefined, { root, modelsFolder: join(root, "empty") }), {
    message: /run make server once/,
  })
})
