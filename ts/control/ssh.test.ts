import { spawnSync } from "node:child_process"
import t from "tap"
import { explainSsh, quote, quoteFolder, remoteProgram, sshArguments } from "./ssh.ts"

t.test("a quoted word reaches the other side's shell as it is", (t) => {
  for (const word of ["plain", "two words", "it's", `"$HOME" \`id\``, "a\\b", "$(id)", ""]) {
    t.equal(spawnSync("sh", ["-c", `printf %s ${quote(word)}`], { encoding: "utf8" }).stdout, word)
  }
  const env = { HOME: "/home of/x", PATH: process.env["PATH"] ?? "" }
  const folder = (path: string) =>
    spawnSync("sh", ["-c", `printf %s ${quoteFolder(path)}`], { encoding: "utf8", env }).stdout
  t.equal(folder("~/my cluster"), "/home of/x/my cluster")
  t.equal(folder("~"), "/home of/x")
  t.equal(folder("/opt/~/x"), "/opt/~/x")
  t.end()
})

t.test("ssh asks nobody, waits for a bounded time, and cannot take a host for an option", (t) => {
  const words = sshArguments("mac2", "echo", { config: "/x" })
  t.same(words.slice(0, 2), ["-F", "/x"])
  for (const setting of ["BatchMode=yes", "ConnectTimeout=10", "ControlMaster=no"])
    t.ok(words.includes(setting), setting)
  t.same(words.slice(-3), ["--", "mac2", "exec sh -c 'echo'"])
  t.end()
})

t.test("a host without the program says so in a sentence", (t) => {
  const { status, stderr } = spawnSync("sh", ["-c", remoteProgram("mac2", "/no/such", ["rank"])], { encoding: "utf8" })
  t.equal(status, 66)
  t.equal(stderr, "there is no mlx-cluster in /no/such on mac2: run mlx-cluster bootstrap\n")
  t.end()
})

t.test("ssh's refusals come with cause and cure", (t) => {
  const cases: readonly [line: string, words: RegExp][] = [
    ["Permission denied (publickey).", /refuses this user's key: run ssh-copy-id mac2/],
    ["Host key verification failed.", /host key of mac2 is not the known one/],
    ["ssh: Could not resolve hostname mac2: Name or service not known", /name mac2 is not known/],
    ["ssh: connect to host mac2 port 22: Connection refused", /turn on Remote Login/],
    ["ssh: connect to host mac2 port 22: Operation timed out", /cannot be reached: is it on/],
    ["Connection timed out during banner exchange", /cannot be reached/],
    ["Can't open user config file /x: No such file or directory", /cannot read its configuration/],
    ["something else", /^ssh mac2 failed: something else$/],
  ]
  for (const [line, words] of cases) t.match(explainSsh("mac2", ["", line, ""]), words)
  t.equal(explainSsh("mac2", []), "ssh mac2 failed: without a word")
  t.end()
})
