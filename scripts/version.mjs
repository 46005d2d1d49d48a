// Writes the version of `effect-codex` to where the user agent takes it from. Runs after `changeset version`.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { packages } from "./packages.mjs"
import { root } from "./setup.mjs"

const { version } = packages.find(({ manifest }) => manifest.name === "effect-codex").manifest
const file = join(root, "packages/transport/src/internal/version.ts")
writeFileSync(file, readFileSync(file, "utf8").replace(/"[^"]+"/, JSON.stringify(version)))
