// /openapi.json against the OpenAPI 3.1 schema, by a validator of its own. openapi.mjs <server's address> <folder with
// node_modules>. Last line: `N passed, N failed`.

import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const [, , address, packages] = process.argv
const resolve = createRequire(pathToFileURL(join(packages, "package.json"))).resolve
const { Validator } = await import(pathToFileURL(resolve("@seriousme/openapi-schema-validator")))

const answer = await fetch(`${address}/openapi.json`)
const document = await answer.json()
const { valid, errors } = await new Validator().validate(document)
const routes = Object.keys(document.paths ?? {}).length
const passed = valid && routes > 10
console.log(`${passed ? "ok" : "not ok"} - the document of ${routes} paths is valid OpenAPI ${document.openapi}`)
if (!valid) console.log(JSON.stringify(errors, null, 2))
console.log(passed ? "1 passed, 0 failed" : "0 passed, 1 failed")
process.exitCode = passed ? 0 : 1
