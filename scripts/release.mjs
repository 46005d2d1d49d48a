// Prepares a release: versions and changelogs from the changesets, then every check. Publishes nothing and pushes nothing.
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root, setup } from "./setup.mjs"

setup()
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const step = (command, ...args) => {
  process.stdout.write(`\n== ${command} ${args.join(" ")}\n`)
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" })
  if (status !== 0) process.exit(status ?? 1)
}
step("npx", "--yes", "@changesets/cli@2", "version")
step("node", "scripts/version.mjs")
step("npx", "--yes", packageManager, "install", "--lockfile-only")
step("npm", "test", "--silent")
step("npm", "run", "check:install")
step("npm", "run", "check:published")
process.stdout.write(
  `\nReady. Look at the changes and commit them; then this publishes:\n  npx ${packageManager} -r publish --access public\n`
)
