import { brotliDecompressSync, gunzipSync } from "node:zlib"
import t from "tap"
import { chooseEncoding, packBody } from "./packed-body.ts"

const asked = (header: string) => chooseEncoding({ headers: new Map([["accept-encoding", header]]) })

t.test("the smallest encoding that a client offers is taken, and none that it refuses", async (t) => {
  t.equal(asked("gzip, deflate, br, zstd"), "br")
  t.equal(asked("gzip;q=0.8, br;q=0"), "gzip")
  t.equal(asked("deflate"), "identity")
  t.equal(chooseEncoding({ headers: new Map() }), "identity")
})

t.test("what is packed unpacks to the same bytes", async (t) => {
  const body = Buffer.from("ranks and links ".repeat(500))
  const [br, gzip, plain] = [await packBody("br", body), await packBody("gzip", body), await packBody("identity", body)]
  t.ok(brotliDecompressSync(br.body).equals(body) && gunzipSync(gzip.body).equals(body) && plain.body === body)
  t.ok(br.body.length < 200 && gzip.body.length < 200)
  t.same([br.headers, plain.headers], [{ "content-encoding": "br" }, {}])
})
