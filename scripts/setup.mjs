// Installs the workspace with the pinned pnpm, once per lockfile, so that every command works from a fresh clone.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const windows = process.platform === "win32"

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
    shell: windows
  })
  if (status !== 0) {
    process.stderr.write("The dependencies could not be installed; the lines above say why.\n")
    process.exit(status ?? 1)
  }
}

/** Runs a tool of the workspace; gives its exit code and, when it was asked to be quiet, what it printed. */
export const run = (command, args, { cwd = root, quiet = false } = {}) =>
  new Promise((resolve) => {
    const child = spawn(join(root, "node_modules/.bin", command), args, {
      cwd,
      stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
      shell: windows
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (data) => {
        output += data
      })
    }
    child.on("error", (error) => resolve({ code: 1, output: `${output}${error.message}\n` }))
    child.on("close", (code) => resolve({ code: code ?? 1, output }))
  })
