// `publint` and `@arethetypeswrong/cli` on what would be published. Both are fetched by npx, so a registry is needed.
import { spawnSync } from "node:child_process"
import { build, pack } from "./packages.mjs"
import { setup } from "./setup.mjs"

setup()
build()
let failed = 0
for (const [name, tarball] of pack()) {
  for (const [tool, ...args] of [
    ["publint@0.3", "run", tarball, "--strict"],
    ["@arethetypeswrong/cli@0.18", tarball, "--profile", "esm-only"]
  ]) {
    const { status, stderr, stdout } = spawnSync("npx", ["--yes", tool, ...args], { encoding: "utf8" })
    console.log(`${name}: ${tool} ${status === 0 ? "fine" : `FAILED\n${stdout}${stderr}`}`)
    if (status !== 0) failed += 1
  }
}
process.exitCode = failed === 0 ? 0 : 1
