// The packages as a program gets them: packed, laid out in `node_modules`, compiled without `skipLibCheck` together with
// every snippet of the documents, and run. `npm run check:install` is the long form, with real installs and runtimes.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { entriesOf, lay, must, pack, packages, reports } from "./packages.mjs"
import { root } from "./setup.mjs"
import { snippets } from "./snippets.mjs"

const problems = []
const project = join(reports, "consumer")
const clock = Date.now()
const since = () => `${((Date.now() - clock) / 1000).toFixed(1)} s`

const tarballs = pack()
lay(project, tarballs)
console.log(`packed ${tarballs.size} packages (${since()})`)

const { repository } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
for (const { manifest: source } of packages) {
  const { name } = source
  const directory = join(project, "node_modules", name)
  const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
  const wrong = (what) => problems.push(`${name}: ${what}`)
  for (const key of ["description", "keywords", "homepage", "bugs", "engines", "license", "sideEffects"]) {
    if (manifest[key] === undefined) wrong(`package.json has no "${key}"`)
  }
  if (manifest.repository?.url !== repository.url) wrong(`"repository" is not that of the workspace`)
  for (const file of ["README.md", "LICENSE"])
    if (!existsSync(join(directory, file))) wrong(`no ${file} in the tarball`)
  const targets = Object.entries(manifest.exports ?? {}).flatMap(([key, value]) => {
    if (key.includes("*")) wrong(`"exports" opens ${key}`)
    if (key.includes("internal")) wrong(`"exports" opens the internal ${key}`)
    return typeof value === "string" ? [value] : Object.values(value)
  })
  for (const target of [...targets, ...Object.values(manifest.bin ?? {})]) {
    if (!existsSync(join(directory, target))) wrong(`${target} is not in the tarball`)
  }
  for (const file of readdirSync(join(directory, "dist"), { recursive: true })) {
    if (!file.endsWith(".map")) continue
    const map = join(directory, "dist", file)
    for (const origin of JSON.parse(readFileSync(map, "utf8")).sources) {
      if (!existsSync(join(dirname(map), origin))) wrong(`${file} has no source ${origin}`)
    }
  }
  // links of a README on npm are resolved against the repository
  for (const [, target] of readFileSync(join(directory, "README.md"), "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
    if (target.startsWith("/")) wrong(`README.md links to ${target}`)
  }
}

const { version } = packages.find(({ manifest }) => manifest.name === "effect-codex").manifest
if (!readFileSync(join(root, "packages/transport/src/internal/version.ts"), "utf8").includes(`"${version}"`)) {
  problems.push(
    "packages/transport/src/internal/version.ts is not the version of the packages: node scripts/version.mjs"
  )
}

const sources = join(project, "src")
mkdirSync(sources, { recursive: true })
const entries = packages.flatMap(({ manifest: { name } }) => entriesOf(project, name))
writeFileSync(
  join(sources, "everything.ts"),
  entries.map((entry, index) => `export * as entry${index} from "${entry}"\n`).join("")
)
const found = snippets().map((snippet, index) => ({ ...snippet, name: `snippet${String(index).padStart(3, "0")}` }))
for (const { code, name } of found) writeFileSync(join(sources, `${name}.ts`), code)
writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }\n')
const compilerOptions = {
  target: "ES2022",
  module: "NodeNext",
  strict: true,
  exactOptionalPropertyTypes: true,
  rootDir: ".",
  outDir: "out",
  lib: ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
  types: ["node"]
}

/** Compiles files of the project as a program of its own; gives what the compiler prints. */
const compile = (name, include, options, ...args) => {
  writeFileSync(
    join(project, name),
    JSON.stringify({ include, compilerOptions: { ...compilerOptions, ...options } }, null, 2)
  )
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  return spawnSync(process.execPath, [tsc, "-p", name, ...args], { cwd: project, encoding: "utf8" }).stdout
}

for (const line of compile("tsconfig.json", ["src"], { skipLibCheck: false }).split("\n")) {
  // declarations of others that miss types of their own dependencies are not ours to mend
  if (!/^(?:error|tsconfig|src\/|node_modules\/(?:@effect-codex|effect-codex)\/)/.test(line)) continue
  const snippet = found.find(({ name }) => line.startsWith(`src/${name}.ts`))
  problems.push(snippet === undefined ? line : `${snippet.from} (${line})`)
}
console.log(`compiled ${entries.length} entries and ${found.length} snippets without skipLibCheck (${since()})`)

// What the smallest program costs the type checker: unnamed unions in the declarations cost ten times as much.
writeFileSync(
  join(project, "hello.ts"),
  `import { Console, Effect } from "effect"
import { Codex } from "effect-codex"
import * as CodexNode from "effect-codex/node"
const program = Effect.gen(function* () {
  const codex = yield* Codex.Codex
  const turn = yield* codex.turn({ prompt: "Say hello." })
  yield* Console.log(turn.text)
})
export const main = program.pipe(Effect.provide(CodexNode.layer()))
`
)
const hello = compile(
  "tsconfig.hello.json",
  ["hello.ts"],
  { noEmit: true, skipLibCheck: true },
  ...["--extendedDiagnostics", "--singleThreaded"]
)
const instantiations = Number(/^Instantiations: +(\d+)$/m.exec(hello)?.[1])
const mostInstantiations = 50_000
if (!(instantiations <= mostInstantiations)) {
  problems.push(`the smallest program takes ${instantiations} type instantiations, more than ${mostInstantiations}`)
}
console.log(`the smallest program takes ${instantiations} type instantiations (${since()})`)

// Run what was packed: every entry loads, and a turn is streamed.
writeFileSync(
  join(project, "run.mjs"),
  `for (const entry of ${JSON.stringify(entries.filter((entry) => !/vitest$/.test(entry)))}) await import(entry)
const { Effect, Stream } = await import("effect")
const { Codex } = await import("effect-codex")
const { Script, TestCodex } = await import("@effect-codex/testing")
const text = await Effect.flatMap(Codex.Codex, (codex) => Stream.runCollect(codex.text({ prompt: "Hi" }))).pipe(
  Effect.provide(TestCodex.layer([Script.turn({ text: "Hello from the tarballs" })])),
  Effect.runPromise
)
process.stdout.write([...text].join(""))
`
)
try {
  const output = must(process.execPath, ["run.mjs"], { cwd: project })
  if (output !== "Hello from the tarballs") problems.push(`the turn answered ${JSON.stringify(output)}`)
} catch (error) {
  problems.push(error.message)
}
console.log(`loaded every entry and streamed a turn (${since()})`)

// Run the snippets that are whole programs, and compare what they print with what the document says.
const runs = found.filter(({ printed }) => printed !== undefined)
for (const { from, name, printed } of runs) {
  try {
    const output = must(process.execPath, [`out/src/${name}.js`], { cwd: project })
    if (output !== printed) problems.push(`${from} prints ${JSON.stringify(output)}`)
  } catch (error) {
    problems.push(`${from}: ${error.message}`)
  }
}
console.log(`ran ${runs.length} snippets (${since()})`)

for (const problem of problems) console.log(problem)
process.exitCode = problems.length === 0 ? 0 : 1
