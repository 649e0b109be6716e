import t from "tap"
import { cacheSaltOf } from "./cache-salt.ts"

const apart = { sharePrefixCache: false }
const shared = { sharePrefixCache: true }
const saltOf = (own: string | null, client: string, settings = apart) => cacheSaltOf(own, client, settings).cacheSalt

t.test("keys are apart unless the operator shares, and clients without a key are together", async (t) => {
  t.not(saltOf(null, "key:1"), saltOf(null, "key:2"))
  t.equal(saltOf(null, "key:1"), saltOf("", "key:1"))
  t.equal(saltOf(null, "key:1", shared), undefined)
  t.equal(saltOf(null, "ip:127.0.0.1"), undefined)
})

t.test("a request's own salt parts it from others, and brings together those that know it", async (t) => {
  t.not(saltOf("a", "key:1"), saltOf("b", "key:1"))
  t.not(saltOf("a", "key:1"), saltOf("a", "key:2"), "the key counts too")
  t.equal(saltOf("a", "key:1", shared), saltOf("a", "key:2", shared))
  t.equal(saltOf("a", "ip:1"), saltOf("a", "ip:2"))
  t.not(saltOf("a", "ip:1"), undefined)
})

t.test("no salt reads as another key's", async (t) => {
  t.not(saltOf('key:1",""]', "ip:1"), saltOf(null, "key:1"))
  t.match(saltOf("x".repeat(256), "key:1"), /^[0-9a-f]{32}$/)
})
