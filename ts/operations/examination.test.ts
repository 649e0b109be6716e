import t from "tap"
import type { Hostfile } from "../control/index.ts"
import { examine, type Finding, type HostReport } from "./examination.ts"
import type { HostFacts } from "./host-facts.ts"

const HOSTFILE: Hostfile = {
  hosts: [
    { rank: 0, ssh: "mac1", ips: ["192.168.1.14"], rdma: [[], ["rdma_en4"]], dir: null, weight: 1 },
    { rank: 1, ssh: "mac2", ips: ["192.168.1.15"], rdma: [["rdma_en4"], []], dir: null, weight: 1 },
  ],
  backend: null,
  envs: {},
  topology: { shape: "mesh", transport: "jaccl", links: [] },
}

const MAC: HostFacts = {
  version: "0.1.0",
  node: "22.13.0",
  platform: "darwin-arm64",
  system: "26.3 (25D125)",
  hostname: "mac",
  addresses: ["127.0.0.1", "192.168.1.14", "192.168.1.15"],
  processor: "Apple M4 Pro",
  cores: 14,
  totalBytes: 48e9,
  availableBytes: 30e9,
  openFiles: 65_536,
  missingTools: [],
  mlx: { usable: true, text: "MLX 0.32.4 metal" },
  model: null,
  reach: "",
  rdma: {
    switchedOn: true,
    devices: [
      { name: "rdma_en3", state: "PORT_DOWN" },
      { name: "rdma_en4", state: "PORT_ACTIVE" },
    ],
    stuck: null,
    bridged: [],
    linkGbps: [80],
  },
}

type Change = Partial<Omit<HostFacts, "rdma">> & { readonly rdma?: Partial<HostFacts["rdma"]> }

const mac = (change: Change = {}): HostReport => ({
  facts: { ...MAC, ...change, rdma: { ...MAC.rdma, ...change.rdma } },
})

function notWell(first: HostReport, second: HostReport, hostfile = HOSTFILE): Finding[] {
  return examine(hostfile, [first, second]).filter(({ state }) => state !== "ok")
}

t.test("two Macs that are well have no finding", (t) => {
  t.same(notWell(mac(), mac()), [])
  t.end()
})

t.test("each thing that is not well is one finding with a cure", (t) => {
  const cases: readonly [change: Change, subject: string, text: RegExp, cure: RegExp][] = [
    [{ version: "0.0.9" }, "program", /the first host has 0\.1\.0/, /bootstrap/],
    [{ mlx: { usable: false, text: "libmlx is missing" } }, "MLX", /libmlx is missing/, /make setup/],
    [
      { addresses: ["10.0.0.3"] },
      "address",
      /192\.168\.1\.15 is not an address of this host/,
      /mend ips of hosts\[1\]/,
    ],
    [{ reach: "EHOSTUNREACH" }, "way", /not reached at 192\.168\.1\.14: EHOSTUNREACH/, /firewall/],
    [{ openFiles: 256 }, "open files", /may open 256/, /65536/],
    [{ missingTools: ["tar"] }, "tools", /missing: tar/, /install/],
    [{ system: "26.1 (25B1)" }, "macOS", /26\.1/, /update to 26\.2/],
    [{ rdma: { switchedOn: false } }, "RDMA", /switched off/, /recovery.*rdma_ctl enable/],
    [{ rdma: { devices: null } }, "RDMA", /no ibv_devices/, /macOS 26\.2/],
    [{ rdma: { devices: [] } }, "RDMA", /there is no device/, /Thunderbolt 5 cable/],
    [{ rdma: { stuck: "ibv_devinfo" } }, "RDMA", /driver is stuck/, /restart the Mac/],
    [{ rdma: { bridged: ["en4"] } }, "RDMA", /member of the Thunderbolt bridge/, /delete Thunderbolt Bridge/],
    [{ rdma: { linkGbps: [40] } }, "cable", /40 Gb\/s/, /Thunderbolt 5/],
    [
      { rdma: { devices: [{ name: "rdma_en5", state: "PORT_ACTIVE" }] } },
      "RDMA",
      /rdma_en4 is not there \(there are rdma_en5\)/,
      /hosts\[1\]\.rdma\[0\]/,
    ],
    [
      { rdma: { devices: [{ name: "rdma_en4", state: "PORT_DOWN" }] } },
      "RDMA",
      /towards mac1 is PORT_DOWN/,
      /both ends/,
    ],
  ]
  for (const [change, subject, text, cure] of cases) {
    const [finding] = notWell(mac(), mac(change))
    t.match(finding, { rank: 1, host: "mac2", subject, text, cure }, `${subject}: ${String(text)}`)
  }
  t.match(notWell(mac(), { error: "the name mac2 is not known" }), [{ subject: "ssh", text: /not known/ }])
  t.end()
})

t.test("a model that is missing, another one or too large is found", (t) => {
  const model = { path: "/m", sizeBytes: 10e9, signature: "a", error: "" }
  t.same(notWell(mac({ model }), mac({ model })), [])
  const missing = { ...model, sizeBytes: 0, signature: "", error: "/m: no such file or folder." }
  t.match(notWell(mac({ model }), mac({ model: missing })), [{ subject: "model", cure: "mlx-cluster sync" }])
  t.match(notWell(mac({ model }), mac({ model: { ...model, signature: "b" } })), [
    { subject: "model", text: /not the model/ },
  ])
  const large = { ...model, sizeBytes: 100e9 }
  t.match(notWell(mac({ model: large }), mac({ model: large })), [{ subject: "memory" }, { subject: "memory" }])
  t.end()
})

t.test("over TCP nothing is asked of RDMA", (t) => {
  const none = mac({ rdma: { devices: null, switchedOn: null } })
  const overTcp: Hostfile = { ...HOSTFILE, topology: { shape: "mesh", transport: "tcp", links: [] } }
  t.same(notWell(none, none, overTcp), [])
  t.end()
})
