import { readFile } from "node:fs/promises"
import t from "tap"
import { ControlError } from "./errors.ts"
import { parseHostfile, readHostfile } from "./hostfile.ts"

const parse = (value: unknown) => parseHostfile(JSON.stringify(value), "hostfile.json")

function problem(value: unknown): string {
  try {
    parseHostfile(typeof value === "string" ? value : JSON.stringify(value), "hostfile.json")
  } catch (error) {
    if (error instanceof ControlError && error.code === "bad_hostfile") return error.message
    throw error
  }
  return "accepted"
}

const mac = { ssh: "mac.home", ips: ["192.168.1.14"], rdma: [null, "rdma_en4"] }
const mac2 = { ssh: "mac2", ips: [], rdma: ["rdma_en4", null] }

t.test("the hostfile of the repository is this machine alone", async (t) => {
  const file = await readHostfile(new URL("../../../hostfile.json", import.meta.url).pathname)
  t.equal(file.hosts.length, 1)
  t.equal(file.topology.shape, "single")
})

t.test("two Macs with one cable are a mesh", async (t) => {
  const file = parse([mac, mac2])
  t.strictSame(file.hosts[0], {
    rank: 0,
    ssh: "mac.home",
    ips: ["192.168.1.14"],
    rdma: [[], ["rdma_en4"]],
    dir: null,
    weight: 1,
  })
  t.equal(parse([mac, { ...mac2, dir: "~/mlx cluster" }]).hosts[1]?.dir, "~/mlx cluster")
  t.strictSame(file.topology, {
    shape: "mesh",
    transport: "jaccl",
    links: [{ from: 0, to: 1, transport: "jaccl", device: "rdma_en4 ↔ rdma_en4" }],
  })
})

t.test("the object form carries backend and environment; several cables are lists", async (t) => {
  const file = parse({
    backend: "jaccl",
    envs: ["MLX_METAL_FAST_SYNCH=1", "EMPTY="],
    hosts: [
      { ssh: "a", ips: ["10.0.0.1"], rdma: [null, ["rdma_en4", "rdma_en5"]] },
      { ssh: "b", ips: [], rdma: [["rdma_en2", "rdma_en3"], null] },
    ],
  })
  t.equal(file.backend, "jaccl")
  t.strictSame(file.envs, { MLX_METAL_FAST_SYNCH: "1", EMPTY: "" })
  t.equal(file.topology.links[0]?.device, "rdma_en4 ↔ rdma_en2, rdma_en5 ↔ rdma_en3")
})

t.test("hosts without cables are joined by TCP, each pair", async (t) => {
  const { topology } = parse([{ ssh: "a", ips: ["10.0.0.1"] }, { ssh: "b" }, { ssh: "c", ips: ["10.0.0.3"] }])
  t.equal(topology.transport, "tcp")
  t.strictSame(
    topology.links.map((link) => [link.from, link.to]),
    [
      [0, 1],
      [0, 2],
      [1, 2],
    ],
  )
})

const ring = [
  { ssh: "a", ips: ["10.0.0.1"], rdma: [null, "e1", null, "e2"] },
  { ssh: "b", ips: [], rdma: ["e1", null, "e2", null] },
  { ssh: "c", ips: [], rdma: [null, "e1", null, "e2"] },
  { ssh: "d", ips: [], rdma: ["e1", null, "e2", null] },
]

t.test("four hosts with four cables are a ring", async (t) => {
  const { topology } = parse(ring)
  t.equal(topology.shape, "ring")
  t.equal(topology.links.length, 4)
})

t.test("jaccl-ring asks for a ring where a mesh would do", async (t) => {
  t.equal(parse({ backend: "jaccl-ring", hosts: [mac, mac2] }).topology.shape, "ring")
})

t.test("every wrong hostfile is refused with its entry and field", async (t) => {
  const five = Array.from({ length: 5 }, () => mac)
  const cases: [unknown, string][] = [
    ["[", "not JSON: "],
    ["null", "expected a list of hosts, or an object, got null"],
    [[], "hosts: expected at least one host"],
    [five, "hosts: expected at most 4 hosts, got 5"],
    [{ hosts: [mac, mac2], backend: "mpi" }, 'backend: expected one of jaccl, jaccl-ring, tcp, nccl, ring, got "mpi"'],
    [{ hosts: [mac, mac2], envs: ["A"] }, 'envs[0]: expected "NAME=value", got "A"'],
    [{ hosts: [mac, mac2], hostz: 1 }, 'unknown field "hostz"; known are hosts, backend, envs'],
    [[1], "hosts[0]: expected an object with ssh, ips and rdma, got 1"],
    [[{ ...mac, ip: "1.2.3.4" }, mac2], 'hosts[0]: unknown field "ip"; known are ssh, ips, rdma'],
    [[{ ips: [] }], "hosts[0].ssh: expected a host name for ssh, got nothing"],
    [[{ ssh: "-oProxyCommand=x" }], 'hosts[0].ssh: expected a host name for ssh, got "-oProxyCommand=x"'],
    [[{ ssh: "a b" }], 'hosts[0].ssh: expected a host name for ssh, got "a b"'],
    [[{ ssh: "a", ips: "10.0.0.1" }], 'hosts[0].ips: expected a list of addresses, got "10.0.0.1"'],
    [[{ ssh: "a", ips: ["mac"] }], 'hosts[0].ips[0]: expected an IPv4 or IPv6 address, got "mac"'],
    [[{ ...mac, ips: [] }, mac2], "hosts[0].ips: expected an address: the other ranks reach"],
    [[mac, { ...mac2, ips: ["192.168.1.14"] }], "hosts[1].ips[0]: 192.168.1.14 belongs to hosts[0] already"],
    [[mac, { ...mac2, weight: 0 }], "hosts[1].weight: expected a number above 0, got 0"],
    [[mac, { ...mac2, dir: "here" }], 'hosts[1].dir: expected a folder that begins with / or ~/, got "here"'],
    [[mac, { ...mac2, dir: "/a\nb" }], "hosts[1].dir: expected a folder that begins with / or ~/"],
    [[mac, { ...mac2, ssh: "-oProxyCommand=x" }], "hosts[1].ssh: expected a host name for ssh"],
    [[mac, { ...mac2, rdma: [5, null] }], "hosts[1].rdma[0]: expected a device name or null, got 5"],
    [[mac, { ...mac2, rdma: ["rdma en4", null] }], 'hosts[1].rdma[0]: expected a device name or null, got "rdma en4"'],
    [[mac, { ...mac2, rdma: [["rdma_en4", 5], null] }], "hosts[1].rdma[0][1]: expected a device name, got 5"],
    [[mac, { ...mac2, rdma: [[], null] }], "hosts[1].rdma[0]: expected at least one device name, or null, got []"],
    [[mac, { ...mac2, rdma: ["rdma_en4"] }], "hosts[1].rdma: expected 2 entries, one for each host, got 1"],
    [[mac, { ...mac2, rdma: "x" }], 'hosts[1].rdma: expected a list of device names and nulls, got "x"'],
    [[mac, { ...mac2, rdma: [null, "rdma_en4"] }], "hosts[1].rdma[1]: expected null (a host has no cable to itself)"],
    [
      [mac, { ...mac2, rdma: [null, null] }],
      "hosts[1].rdma[0]: expected 1 device, as hosts[0].rdma[1] names, got null",
    ],
    [
      [{ ...mac, rdma: [null, ["a", "a"]] }, mac2],
      'hosts[0].rdma[1]: device "a" is named for hosts[1] already: one port holds one cable',
    ],
    [
      ring.map((host, n) => ({
        ...host,
        rdma: host.rdma.map((cell, to) => (n + to === 3 && n % 3 === 0 ? null : cell)),
      })),
      "hosts[0].rdma[3]: a ring needs a cable between hosts[0] and hosts[3]; a mesh lacks one between hosts[0] and hosts[2]",
    ],
    [
      {
        backend: "jaccl-ring",
        hosts: [
          { ssh: "a", ips: ["10.0.0.1"], rdma: [null, ["e1", "e2"], "e3"] },
          { ssh: "b", rdma: [["e1", "e2"], null, "e3"] },
          { ssh: "c", rdma: ["e1", "e2", null] },
        ],
      },
      "hosts[1].rdma[2]: a ring needs as many cables on each side: 1 here, 2 between hosts[0] and hosts[1]",
    ],
    [
      { backend: "jaccl", hosts: [{ ssh: "a", ips: ["10.0.0.1"] }, { ssh: "b" }] },
      "hosts[0].rdma[1]: a ring needs a cable",
    ],
  ]
  for (const [value, expected] of cases) t.ok(problem(value).includes(expected), `${problem(value)} / ${expected}`)
})

t.test("a file that is not there is named", async (t) => {
  await t.rejects(readHostfile("/nowhere/hosts.json"), { code: "bad_hostfile", message: /nowhere\/hosts\.json/ })
})

t.test("every example of docs/hostfile.md is valid", async (t) => {
  const docs = await readFile(new URL("../../../docs/hostfile.md", import.meta.url), "utf8")
  const examples = [...docs.matchAll(/```json\n([\s\S]*?)```/g)].map((match) => match[1] ?? "")
  t.ok(examples.length >= 4, `${examples.length} examples`)
  const sizes = examples.map((text) => parseHostfile(text, "example").hosts.length)
  t.ok(sizes.includes(1) && sizes.includes(2) && sizes.includes(4), sizes.join(", "))
})
