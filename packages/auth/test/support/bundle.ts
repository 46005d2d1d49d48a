import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { build } from "esbuild"

/**
 * Runs the program with what V8 compiled for an earlier process, which the first one to end leaves behind. Plain
 * JavaScript of Node, because it is the first thing that each process reads.
 */
const launcher = `
const { readFileSync, renameSync, writeFileSync } = require("node:fs")
const { Script } = require("node:vm")
const [file, cache] = [__dirname + "/program.js", __dirname + "/program.cache"]
const read = (path) => { try { return readFileSync(path) } catch {} }
const cachedData = read(cache)
const source = "(require, __filename) => {" + readFileSync(file, "utf8").replace(/^#!.*/, "") + "\\n}"
const script = new Script(source, { filename: file, cachedData })
if (cachedData === undefined) {
  process.on("exit", () => {
    try {
      writeFileSync(cache + process.pid, script.createCachedData())
      renameSync(cache + process.pid, cache)
    } catch {}
  })
}
script.runInThisContext()(require, __filename)
`

/** The programs of a folder as one, whose first argument is the name of the file to run. */
const anyOf = (folder: string, files: ReadonlyArray<string>) => {
  const cases = files.map((file) => `case ${JSON.stringify(file)}: import(${JSON.stringify(`./${file}`)}); break`)
  return {
    stdin: { resolveDir: folder, contents: `switch (process.argv.splice(2, 1)[0]) {\n${cases.join("\n")}\n}` }
  }
}

/**
 * A program as one file of plain JavaScript, for tests that run it in many processes: compiling it in each takes several
 * times longer than the program. Gives the file, which is removed with the scope.
 */
export const bundle = (program: string | { readonly folder: string; readonly files: ReadonlyArray<string> }) =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-program-"))),
      (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
    )
    // other users run it, too
    Fs.chmodSync(directory, 0o755)
    yield* Effect.promise(() =>
      build({
        ...(typeof program === "string" ? { entryPoints: [program] } : anyOf(program.folder, program.files)),
        outfile: Path.join(directory, "program.js"),
        bundle: true,
        format: "cjs",
        platform: "node",
        target: "node20",
        logLevel: "error",
        define: { "import.meta.url": "importMetaUrl" },
        banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' }
      })
    )
    const file = Path.join(directory, "launch.cjs")
    Fs.writeFileSync(file, launcher)
    return file
  })
