/**
 * The client process as it would be published: one module of plain JavaScript. (tsx runs the sources with a helper around
 * every function, which costs more than some of the functions.)
 */
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const ours = /^(?:@effect-codex\/|effect-codex(?:\/|$))/

/** Bundles a module with the project's own packages and leaves all others where they are; gives the file. */
export const bundle = async (entry: URL, name: string): Promise<string> => {
  const outfile = fileURLToPath(new URL(`../.bundle/${name}.mjs`, import.meta.url))
  await build({
    entryPoints: [fileURLToPath(entry)],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "error",
    plugins: [
      {
        name: "others stay external",
        setup: ({ onResolve }) =>
          onResolve({ filter: /^[^./]/ }, ({ kind, path }) =>
            kind === "entry-point" || ours.test(path) ? undefined : { path, external: true }
          )
      }
    ]
  })
  return outfile
}
