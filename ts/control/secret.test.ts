import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import t from "tap"
import { loadSecret } from "./secret.ts"

t.test("the secret is made once, for its owner alone, and the same for all who ask at once", async (t) => {
  const folder = join(t.testdir(), "state")
  const secrets = await Promise.all(Array.from({ length: 8 }, () => loadSecret(folder)))
  t.equal(secrets[0]?.length, 32)
  t.ok(secrets.every((secret) => secret.equals(secrets[0] ?? secret)))
  t.equal((await stat(join(folder, "secret"))).mode & 0o777, 0o600)
  t.strictSame(await readdir(folder), ["secret"])
})

t.test("a secret that others may read, or of a wrong length, is refused", async (t) => {
  const folder = join(t.testdir(), "state")
  await mkdir(folder)
  const path = join(folder, "secret")
  await writeFile(path, Buffer.alloc(32))
  await chmod(path, 0o644)
  await t.rejects(loadSecret(folder), { code: "secret_unusable", message: /chmod 600/ })
  await writeFile(path, Buffer.alloc(5))
  await chmod(path, 0o600)
  await t.rejects(loadSecret(folder), { code: "secret_unusable", message: /has 5 bytes, not 32/ })
})
