// The packages of the workspace, as they are published: listed, packed, and laid out like an installed project.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { root } from "./setup.mjs"

const json = (file) => JSON.parse(readFileSync(file, "utf8"))

/** Every package that can be published, with its manifest. */
export const packages = readdirSync(join(root, "packages"))
  .map((folder) => join(root, "packages", folder))
  .filter((directory) => existsSync(join(directory, "package.json")))
  .map((directory) => ({ directory, manifest: json(join(directory, "package.json")) }))
  .filter(({ manifest }) => manifest.private !== true)

/** Where reports and tarballs go; not in the repository. */
export const reports = join(root, ".reports")

export const must = (command, args, options = {}) => {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", ...options })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}\n${stdout ?? ""}${stderr ?? ""}`)
  return stdout
}

/** Compiles what is published. */
export const build = () =>
  must(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-b", "tsconfig.build.json"], { cwd: root })

/** Packs every package with the pinned pnpm, which is what publishing does; gives the tarballs by package name. */
export const pack = (destination = join(reports, "tarballs")) => {
  rmSync(destination, { recursive: true, force: true })
  mkdirSync(destination, { recursive: true })
  const { packageManager } = json(join(root, "package.json"))
  const filters = packages.flatMap(({ manifest }) => ["--filter", manifest.name])
  must("npx", ["--yes", packageManager, "-r", ...filters, "pack", "--pack-destination", destination], { cwd: root })
  return new Map(
    packages.map(({ manifest: { name, version } }) => [
      name,
      join(destination, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)
    ])
  )
}

/** Unpacks the tarballs into `project/node_modules`, and links what they need from the workspace: nothing is fetched. */
export const lay = (project, tarballs) => {
  rmSync(project, { recursive: true, force: true })
  for (const [name, tarball] of tarballs) {
    const target = join(project, "node_modules", name)
    mkdirSync(target, { recursive: true })
    must("tar", ["xzf", tarball, "-C", target, "--strip-components", "1"])
  }
  const link = (name, from) => {
    const target = join(project, "node_modules", name)
    if (tarballs.has(name) || existsSync(target)) return
    const source = [...from, root]
      .map((directory) => join(directory, "node_modules", name))
      .find((candidate) => existsSync(candidate))
    if (source === undefined) return
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(realpathSync(source), target, "dir")
  }
  for (const { directory, manifest } of packages) {
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) link(name, [directory])
  }
  for (const name of ["typescript", "vitest", "@types/node"]) link(name, [])
}

/** What a package in `node_modules` lets a program import, in order; the manifest itself is not among it. */
export const entriesOf = (project, name) =>
  Object.keys(json(join(project, "node_modules", name, "package.json")).exports ?? {})
    .filter((key) => key !== "./package.json")
    .map((key) => `${name}${key.slice(1)}`)
