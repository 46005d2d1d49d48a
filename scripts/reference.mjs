// Writes the API reference of every package from its doc comments to `.reports/api`, with TypeDoc fetched by npx.
import { spawnSync } from "node:child_process"
import { join, relative } from "node:path"
import { packages, reports } from "./packages.mjs"
import { root, setup } from "./setup.mjs"

setup()
const entryPoints = packages.flatMap(({ directory, manifest }) =>
  Object.values(manifest.exports)
    .filter((target) => typeof target === "string" && target.endsWith(".ts"))
    .map((target) => relative(root, join(directory, target)))
)
const out = join(reports, "api")
const { status } = spawnSync(
  "npx",
  [
    ...["--yes", "--package", "typedoc@0.28", "--package", "typescript@5.9", "typedoc"],
    ...["--tsconfig", "tsconfig.lint.json", "--skipErrorChecking", "--excludeInternal", "--excludeExternals"],
    ...["--name", "effect-codex", "--readme", "README.md", "--disableSources", "--logLevel", "Error", "--out", out],
    ...entryPoints
  ],
  { cwd: root, stdio: "inherit", shell: process.platform === "win32" }
)
if (status === 0) process.stdout.write(`The reference is in ${relative(root, out)}/index.html\n`)
process.exitCode = status ?? 1
