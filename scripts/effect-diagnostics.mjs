// The Effect diagnostics of the packages, errors and warnings. The command of the language service finds the same, but
// checks the sources of a package anew for each one that imports it; here all are one program.
import { createRequire } from "node:module"
import { join } from "node:path"
import typescript from "typescript"
import { root } from "./setup.mjs"

const transform = createRequire(import.meta.url)("@effect/language-service/transform.js").default

const problems = []
const addDiagnostic = (problem) => problems.push(problem)
const host = { ...typescript.sys, onUnRecoverableConfigFileDiagnostic: addDiagnostic }
const config = typescript.getParsedCommandLineOfConfigFile(join(root, "tsconfig.lint.json"), {}, host)
for (const problem of config.errors) addDiagnostic(problem)
const program = typescript.createProgram(config.fileNames, config.options)
const plugin = config.options.plugins.find(({ name }) => name === "@effect/language-service")
const inspect = transform(program, plugin, { addDiagnostic, ts: typescript })(undefined)
for (const file of config.fileNames) inspect(program.getSourceFile(file))

process.stdout.write(
  typescript.formatDiagnostics(problems, {
    getCanonicalFileName: (file) => file,
    getCurrentDirectory: () => root,
    getNewLine: () => "\n"
  })
)
console.log(`${problems.length} problems in ${config.fileNames.length} files`)
process.exitCode = problems.length === 0 && config.fileNames.length > 0 ? 0 : 1
