// Every text of the RDMA system that docs/cluster.md lists comes with its cause and its cure.

import t from "tap"
import { RDMA_CURES, withRdmaCure } from "./rdma-cures.ts"

const TEXTS = [
  "[jaccl] Changing queue pair to RTR failed with errno 22",
  "[jaccl] Changing queue pair to RTR failed with errno 96",
  "[jaccl] Changing queue pair to RTR failed with errno 60",
  "[jaccl] Changing queue pair to RTR failed with errno 16",
  "[jaccl] Couldn't allocate protection domain",
  "[jaccl] Register memory region failed",
  "[jaccl] No IPv4-mapped GID",
  "[jaccl] Couldn't bind socket (error: 49)",
  "[jaccl] Couldn't connect (error: 61)",
  "JACCL is not here: cannot open librdma.dylib",
]

t.test("each known text has a cause and a cure of its own, after the text itself", async (t) => {
  const said = TEXTS.map((text) => withRdmaCure(`rank 1 gave up: ${text}`))
  said.forEach((line, i) => t.ok(line.startsWith(`rank 1 gave up: ${TEXTS[i]} (`), line))
  t.equal(new Set(said.map((line) => line.slice(line.lastIndexOf(" (")))).size, RDMA_CURES.length)
})

t.test("errno 65 is that of 60, and another text stays as it is", async (t) => {
  t.match(withRdmaCure("RTR failed with errno 65"), /not behind this device/u)
  t.equal(withRdmaCure("rank 1 was killed by SIGKILL"), "rank 1 was killed by SIGKILL")
  t.equal(withRdmaCure("RTR failed with errno 220"), "RTR failed with errno 220")
})
