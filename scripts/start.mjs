// `npm start`: one whole turn against the embedded backend. `--replay FILE` and `--live "prompt"` are the other two jobs.
import { join } from "node:path"
import { root, run, setup } from "./setup.mjs"

setup()
const { code } = await run("tsx", [join(root, "examples/demo/main.ts"), ...process.argv.slice(2)], {
  cwd: process.cwd()
})
process.exitCode = code
