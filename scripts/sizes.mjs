// `npm run sizes`: what each package weighs, as it is published; the table of `docs/performance.md`.
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { build, lay, pack, reports } from "./packages.mjs"
import { setup } from "./setup.mjs"

setup()
build()
const project = join(reports, "sizes")
const tarballs = pack(join(reports, "sizes-tarballs"))
lay(project, tarballs)

const kilobytes = (bytes) => `${Math.round(bytes / 1000)} kB`
const weight = (files) => files.reduce((sum, file) => sum + statSync(file).size, 0)

console.log("| package | tarball | unpacked | of it declarations |\n| --- | --- | --- | --- |")
for (const [name, tarball] of tarballs) {
  const directory = join(project, "node_modules", name)
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  const declarations = files.filter((file) => file.endsWith(".d.ts"))
  console.log(
    `| \`${name}\` | ${[weight([tarball]), weight(files), weight(declarations)].map(kilobytes).join(" | ")} |`
  )
}
