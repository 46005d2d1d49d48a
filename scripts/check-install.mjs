// The long check of what a user does: the install lines of the README, typed as they stand, with npm, pnpm, yarn and bun;
// then the types (nodenext and bundler) and a streamed turn, on Node 20, 22, 24 and 26, Deno and Bun. Needs a registry.
// `npm run check:install` runs everything, `npm run check:install -- npm floor` only what is named.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build, entriesOf, must, pack, packages } from "./packages.mjs"
import { root, setup } from "./setup.mjs"

setup()
build()
const tarballs = pack()
const base = mkdtempSync(join(tmpdir(), "effect-codex-install-"))
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** The install lines of the README, without the manager: `{ dev, specs }`. */
const lines = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/^npm install (-D )?(.+)$/gm)].map(
  ([, dev, specs]) => ({ dev: dev !== undefined, specs: specs.split("#")[0].trim().split(/\s+/) })
)
if (lines.length < 2) throw new Error("README.md has no two lines that begin with `npm install`")

/** The first release of each line that the packages ask for. */
const floor = (spec) =>
  spec.replace(/^((?:@[^/]+\/)?[^@]+)@(\d[\d.]*)$/, (_, name, line) => {
    const peer = packages.map(({ manifest }) => manifest.peerDependencies?.[name]).find((range) => range !== undefined)
    const catalog = /peers:\n([\s\S]*?)\n\w/.exec(readFileSync(join(root, "pnpm-workspace.yaml"), "utf8"))[1]
    const low = new RegExp(`"?${name}"?: \\^([\\d.]+)`).exec(catalog)?.[1]
    return `${name}@${peer === undefined || low === undefined ? line : low}`
  })

const file = (spec) => (tarballs.has(spec) ? `file:${tarballs.get(spec)}` : spec)
/** yarn wants the name as well. */
const named = (spec) => (tarballs.has(spec) ? `${spec}@${file(spec)}` : spec)
const managers = {
  npm: { command: ["npm"], add: ["install", "--no-audit", "--no-fund"], dev: "-D" },
  floor: {
    command: ["npm"],
    add: ["install", "--no-audit", "--no-fund", "--legacy-peer-deps"],
    dev: "-D",
    spec: floor,
    typescript: "5.7"
  },
  pnpm: {
    command: ["npx", "--yes", packageManager],
    add: ["add", "--config.auto-install-peers=false", "--ignore-scripts"],
    dev: "-D",
    typescript: "5.9"
  },
  yarn: { command: ["npx", "--yes", "@yarnpkg/cli-dist@4"], add: ["add"], dev: "-D" },
  bun: { command: ["npx", "--yes", "bun@1"], add: ["add"], dev: "-d" }
}

const wanted = process.argv.slice(2)
const problems = []
const attempt = (what, run) => {
  try {
    run()
    console.log(`${what}: fine`)
  } catch (error) {
    problems.push(what)
    console.log(`${what}: FAILED\n${String(error.message).slice(-3000)}`)
  }
}

const turn = (entry) => `import { Effect, Layer, Stream } from "effect"
import { Codex, CodexAuth, CodexConfig } from "effect-codex"
import * as Whole from "effect-codex/${entry}"
import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"

const claims = { exp: 4102444800, "https://api.openai.com/auth": { chatgpt_account_id: "acc_1" } }
const accessToken = ["{}", JSON.stringify(claims), "signature"].map((part) => btoa(part).replaceAll("=", "")).join(".")
const program = Effect.gen(function* () {
  const { url } = yield* BackendServer.BackendServer
  const text = yield* Effect.flatMap(Codex.Codex, (codex) =>
    Stream.mkString(codex.text({ prompt: "Hi" }))
  ).pipe(Effect.provide(Whole.layer({ config: { baseUrl: url } })))
  console.log(text)
}).pipe(Effect.provide(BackendServer.layer({ script: [Script.turn({ text: "Hello, stranger" })] })))
process.env.OPENAI_CODEX_ACCESS_TOKEN = accessToken
await Effect.runPromise(program)
`

const streams = (project, name, command, args) =>
  attempt(`${name}: streams a turn`, () => {
    const output = must(command, args, { cwd: project, timeout: 120_000, env: { ...process.env, CODEX_HOME: project } })
    if (!output.includes("Hello, stranger")) throw new Error(output)
  })

for (const [name, { add, command, dev, spec = (text) => text, typescript = "latest" }] of Object.entries(managers)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const project = join(base, name)
  mkdirSync(project)
  // what our packages need of each other comes from the tarballs as well; npm allows no override of what is asked for
  const own = Object.fromEntries([...tarballs.keys()].map((key) => [key, file(key)]))
  const asked = new Set(lines.flatMap(({ specs }) => specs))
  const overrides =
    command[0] === "npm" ? Object.fromEntries(Object.entries(own).filter(([key]) => !asked.has(key))) : own
  const manifest = {
    ...{ name: "user", version: "1.0.0", license: "MIT", private: true, type: "module" },
    ...(name === "yarn" ? { resolutions: own } : name === "pnpm" ? { pnpm: { overrides } } : { overrides })
  }
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest))
  if (name === "yarn")
    writeFileSync(join(project, ".yarnrc.yml"), "nodeLinker: node-modules\nenableImmutableInstalls: false\n")
  let installed = true
  for (const line of [...lines, { dev: true, specs: [`typescript@${typescript}`, "@types/node@20"] }]) {
    const args = [
      ...command.slice(1),
      ...add,
      ...(line.dev ? [dev] : []),
      ...line.specs.map(spec).map(name === "yarn" ? named : file)
    ]
    attempt(`${name}: ${line.specs.map(spec).join(" ")}`, () => {
      try {
        must(command[0], args, { cwd: project, timeout: 300_000 })
      } catch (error) {
        installed = false
        throw error
      }
    })
  }
  if (!installed) continue
  const effect = JSON.parse(readFileSync(join(project, "node_modules/effect/package.json"), "utf8")).version
  attempt(`${name}: effect ${effect}, one copy of the 3.x line`, () => {
    if (!effect.startsWith("3.")) throw new Error(`effect ${effect} was installed`)
  })
  const direct = lines.flatMap(({ specs }) => specs).filter((one) => tarballs.has(one))
  const entries = direct.flatMap((one) => entriesOf(project, one))
  writeFileSync(
    join(project, "all.ts"),
    entries.map((entry, index) => `export * as e${index} from "${entry}"\n`).join("")
  )
  for (const [module, moduleResolution] of [
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"]
  ]) {
    const compilerOptions = {
      target: "ES2022",
      module,
      moduleResolution,
      strict: true,
      noEmit: true,
      types: ["node"],
      lib: ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"]
    }
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ compilerOptions: { ...compilerOptions, skipLibCheck: false }, files: ["all.ts"] })
    )
    attempt(`${name}: types, ${moduleResolution}`, () => {
      // what others' declarations miss is not ours to mend
      const { stdout } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "."], {
        cwd: project,
        encoding: "utf8"
      })
      const ours = stdout.split("\n").filter((line) => /^(?:error|(?:all|.*effect-codex).*error)/.test(line))
      if (ours.length > 0) throw new Error(ours.join("\n"))
    })
  }
  writeFileSync(join(project, "turn.mjs"), turn("node"))
  writeFileSync(join(project, "turn-bun.mjs"), turn("bun"))
  streams(project, name, process.execPath, ["turn.mjs"])
}

if (wanted.length === 0 || wanted.includes("runtimes")) {
  const project = join(base, "npm")
  const runtimes = join(base, "runtimes")
  if (existsSync(project)) {
    mkdirSync(runtimes)
    writeFileSync(join(runtimes, "package.json"), '{ "private": true }\n')
    const versions = ["20", "22", "24", "26"]
    const specs = [...versions.map((version) => `node${version}@npm:node@${version}`), "bun@1", "deno@2"]
    attempt(`runtimes: ${specs.join(" ")}`, () =>
      must("npm", ["install", "--no-audit", "--no-fund", ...specs], { cwd: runtimes })
    )
    const at = (path) => join(runtimes, "node_modules", path)
    for (const version of versions) streams(project, `Node ${version}`, at(`node${version}/bin/node`), ["turn.mjs"])
    streams(project, "Deno", at(".bin/deno"), ["run", "-A", "turn.mjs"])
    streams(project, "Bun", at(".bin/bun"), ["turn-bun.mjs"])
    attempt("Bun: `effect-codex/node` fails with a typed error that names the way", () => {
      const { stderr, stdout } = spawnSync(at(".bin/bun"), ["turn.mjs"], { cwd: project, encoding: "utf8" })
      if (!`${stdout}${stderr}`.includes("effect-codex/bun")) throw new Error(`${stdout}${stderr}`)
    })
  } else console.log("runtimes: they run in the project of npm; name npm, too")
}

if (problems.length === 0) rmSync(base, { recursive: true, force: true })
console.log(
  problems.length === 0 ? "\nEverything installs, compiles and runs." : `\n${problems.length} failed; see ${base}`
)
process.exitCode = problems.length === 0 ? 0 : 1
