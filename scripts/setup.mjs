// Installs the workspace with the pinned pnpm, once per lockfile, so that every command works from a fresh clone.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const read = (file) => (existsSync(file) ? readFileSync(file, "utf8") : undefined)

/** pnpm keeps a copy of the lockfile it installed; when both agree there is nothing to do. */
const installed = () =>
  read(join(root, "node_modules/.pnpm/lock.yaml")) === read(join(root, "pnpm-lock.yaml")) &&
  ["packages/client", "examples"].every((directory) => existsSync(join(root, directory, "node_modules")))

export const setup = () => {
  if (installed()) return
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  const { status } = spawnSync("npx", ["--yes", packageManager, "install", "--frozen-lockfile"], {
    cwd: root,
    // stdout belongs to the command that asked for the set-up
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32"
  })
  if (status !== 0) {
    process.stderr.write("The dependencies could not be installed; the lines above say why.\n")
    process.exit(status ?? 1)
  }
}

/** Runs a tool of the workspace with this Node and returns its exit code. */
export const run = (command, args, options = {}) => {
  const { status } = spawnSync(join(root, "node_modules/.bin", command), args, {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
    ...options
  })
  return status ?? 1
}
