import t from "tap"
import { interfaceSpeed, mediaSpeed } from "./interface-speed.ts"

t.test("what ifconfig says of its media is bytes a second", (t) => {
  t.equal(mediaSpeed("\tmedia: autoselect (10Gbase-T <full-duplex,flow-control>)\n"), 1.25e9)
  t.equal(mediaSpeed("\tmedia: autoselect (2.5Gbase-T <full-duplex>)\n"), 312.5e6)
  t.equal(mediaSpeed("\tmedia: autoselect (1000baseT <full-duplex>)\n"), 125e6)
  t.equal(mediaSpeed("\tmedia: autoselect <full-duplex>\n"), null, "a Thunderbolt bridge")
  t.equal(mediaSpeed(""), null)
  t.end()
})

t.test("loopback and addresses of other machines have no speed", async (t) => {
  t.equal(await interfaceSpeed("127.0.0.1"), null)
  t.equal(await interfaceSpeed("192.0.2.1"), null)
})
