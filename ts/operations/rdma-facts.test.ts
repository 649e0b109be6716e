import t from "tap"
import { parseBridge, parseDevices, parseLinkSpeeds, parsePortStates } from "./rdma-facts.ts"

t.test("ibv_devices names the devices of its table, and its head is none", (t) => {
  const text = `    device          	   node GUID
    ------          	----------------
    rdma_en2        	8096a9d9edbd05
    rdma_en3        	8196a9d9edbd05
`
  t.same(parseDevices(text), ["rdma_en2", "rdma_en3"])
  t.same(parseDevices("No IB devices found\n"), [])
  t.end()
})

t.test("ibv_devinfo gives the state of a device's first port", (t) => {
  const text = `hca_id:	rdma_en2
	transport:			Thunderbolt (5)
	phys_port_cnt:			1
		port:	1
			state:			PORT_ACTIVE (4)
hca_id:	rdma_en3
		port:	1
			state:			PORT_DOWN (1)
`
  t.same(
    [...parsePortStates(text)],
    [
      ["rdma_en2", "PORT_ACTIVE"],
      ["rdma_en3", "PORT_DOWN"],
    ],
  )
  t.end()
})

t.test("members of a bridge are found, and speeds of links in use wherever they stand", (t) => {
  t.same(parseBridge("bridge0: flags=8863<UP>\n\tmember: en2 flags=3<LEARNING>\n\tmember: en3 flags=3\n"), [
    "en2",
    "en3",
  ])
  const json = JSON.stringify({
    SPThunderboltDataType: [
      { receptacle_1_tag: { current_speed_key: "Up to 80 Gb/s", receptacle_status_key: "receptacle_connected" } },
      {
        _items: [{ current_speed_key: "40 Gb/s" }],
        receptacle_1_tag: {
          current_speed_key: "Up to 120 Gb/s",
          receptacle_status_key: "receptacle_no_devices_connected",
        },
      },
    ],
  })
  t.same(parseLinkSpeeds(json), [80, 40])
  t.equal(parseLinkSpeeds("no json"), null)
  t.end()
})
