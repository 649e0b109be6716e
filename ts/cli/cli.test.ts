import { readFileSync } from "node:fs"
import { join } from "node:path"
import t from "tap"
import { packageRoot } from "./package-info.ts"
import { runProgram } from "./testing/run-program.ts"

const COMMANDS = ["serve", "status", "monitor", "top", "logs", "generate", "setup", "version"]

t.test("help lists every command for people, and no other", async (t) => {
  const { code, stdout } = await runProgram(["--help"])
  t.equal(code, 0)
  for (const command of COMMANDS) t.match(stdout, new RegExp(`^  ${command} `, "m"))
  t.notMatch(stdout, /^ {2}rank /m)
})

t.test("each command has help with usage, options and examples", async (t) => {
  for (const command of COMMANDS) {
    const { code, stdout, stderr } = await runProgram([command, "--help"])
    t.equal(code, 0, command)
    t.match(stdout, `Usage: mlx-cluster ${command}`)
    t.match(stdout, "Options:")
    t.match(stdout, "Examples:")
    t.equal(stderr, "")
  }
  t.match((await runProgram(["help", "serve"])).stdout, "Usage: mlx-cluster serve")
})

t.test("a wrong command line ends with code 2 and one line that says what is wrong", async (t) => {
  for (const [args, said] of [
    [["sevre"], "unknown command sevre; did you mean serve?"],
    [["--nope"], "unknown option --nope"],
    [["serve", "--prot", "80"], "unknown option --prot; did you mean --port?"],
    [["serve", "--port", "eighty"], `--port takes a whole number from 0 to 65535, not "eighty"`],
    [["serve", "--port", "70000"], "--port takes"],
    [["serve", "--port"], "argument missing"],
    [["serve", "--isolation", "jail"], "--isolation is one of process, thread"],
    [["serve", "--alias", "gpt"], "--alias is written name=model"],
    [["serve", "model"], "serve takes no further words"],
    [["generate", "--temperature", "hot", "x"], "--temperature takes a number"],
    [["generate"], "there is no prompt"],
    [["status", "--url", "http://"], "--url is no address"],
    [["setup", "--backend", "tpu"], "--backend is one of"],
  ] as const) {
    const { code, stdout, stderr } = await runProgram(args)
    t.equal(code, 2, args.join(" "))
    t.equal(stdout, "")
    t.match(stderr, said)
    t.match(stderr, /^mlx-cluster: [^\n]+\n$/, "one line")
  }
})

t.test("without a command the help is shown and the code is 2", async (t) => {
  const { code, stdout } = await runProgram([])
  t.equal(code, 2)
  t.match(stdout, "Commands:")
})

t.test("version prints the package's version", async (t) => {
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8"))
  const { code, stdout } = await runProgram(["--version"])
  t.equal(code, 0)
  t.match(manifest, { version: /^mlx-cluster (\S+)/.exec(stdout)?.[1] })
})
