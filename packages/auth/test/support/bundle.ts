import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { build } from "esbuild"

/**
 * A program as one module of plain JavaScript, for tests that run it in many processes: compiling it in each takes
 * several times longer than the program. Gives the file, which is removed with the scope.
 */
export const bundle = (program: string) =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-program-"))),
      (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
    )
    // other users run it, too
    Fs.chmodSync(directory, 0o755)
    const outfile = Path.join(directory, "program.mjs")
    yield* Effect.promise(() =>
      build({
        entryPoints: [program],
        outfile,
        bundle: true,
        format: "esm",
        platform: "node",
        target: "node20",
        logLevel: "error",
        // for the dependencies that are CommonJS
        banner: {
          js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);'
        }
      })
    )
    return outfile
  })
