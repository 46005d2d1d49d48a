// The platform-neutral parts in a real page: bundled from the tarballs, a turn streamed from the embedded backend, which
// answers CORS, by `FetchHttpClient` in headless Chromium. CHROMIUM names the program; a loud line where there is none.
// `npm test` runs it with `--laid`: in the project that `check-packages.mjs` has laid out.
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { gzipSync } from "node:zlib"
import { build, lay, pack, reports } from "./packages.mjs"
import { root, setup } from "./setup.mjs"

setup()
const chromium = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"].find(
  (name) => name !== undefined && spawnSync(name, ["--version"]).status === 0
)
if (chromium === undefined) {
  console.log("NOT CHECKED: no Chromium was found, so no page was opened. Set CHROMIUM to its path.")
  process.exit(0)
}
const isLaid = process.argv.includes("--laid")
const project = join(reports, isLaid ? "consumer" : "browser")
if (!isLaid) {
  build()
  lay(project, pack(join(reports, "browser-tarballs")))
}

writeFileSync(
  join(project, "page.mjs"),
  `import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Codex, CodexAuth, CodexConfig } from "effect-codex"
const claims = { exp: 4102444800, "https://api.openai.com/auth": { chatgpt_account_id: "acc_1" } }
const token = ["{}", JSON.stringify(claims), "signature"].map((part) => btoa(part).replaceAll("=", "")).join(".")
Effect.flatMap(Codex.Codex, (codex) => Stream.mkString(codex.text({ prompt: "Hi" }))).pipe(
  Effect.provide(
    Codex.layer.pipe(
      Layer.provide(CodexConfig.layer({ baseUrl: new URLSearchParams(location.search).get("backend") })),
      Layer.provide(CodexAuth.layerToken({ accessToken: Redacted.make(token) })),
      Layer.provide(FetchHttpClient.layer)
    )
  ),
  Effect.catchAllCause((cause) => Effect.succeed(String(cause))),
  Effect.runPromise
).then((text) => fetch("/result", { method: "POST", body: text }))
`
)
writeFileSync(
  join(project, "backend.mjs"),
  `import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import { Effect } from "effect"
export const backend = (use) =>
  Effect.flatMap(BackendServer.BackendServer, ({ url }) => Effect.promise(() => use(url))).pipe(
    Effect.provide(BackendServer.layer({ script: [Script.turn({ text: "Hello, page" })], cors: true })),
    Effect.runPromise
  )
`
)
const esbuild = createRequire(join(root, "bench/package.json"))("esbuild")
const outfile = join(project, "page.js")
await esbuild.build({
  absWorkingDir: project,
  entryPoints: ["page.mjs"],
  outfile,
  bundle: true,
  format: "esm",
  platform: "browser",
  minify: true
})
const bundle = readFileSync(outfile)
console.log(
  `bundle: ${Math.round(bundle.length / 1000)} kB, ${Math.round(gzipSync(bundle).length / 1000)} kB with gzip`
)

const profile = mkdtempSync(join(tmpdir(), "effect-codex-chromium-"))
const { backend } = await import(pathToFileURL(join(project, "backend.mjs")).href)
const text = await backend(
  (url) =>
    new Promise((resolve, reject) => {
      const server = createServer((request, response) => {
        if (request.url === "/result") {
          let body = ""
          request.on("data", (data) => {
            body += data
          })
          request.on("end", () => {
            response.end()
            finish(() => resolve(body))
          })
        } else if (request.url === "/page.js") {
          response.setHeader("content-type", "text/javascript")
          response.end(bundle)
        } else {
          response.setHeader("content-type", "text/html")
          response.end(
            `<script>onerror = (message) => fetch("/result", { method: "POST", body: String(message) })</script>
             <script type="module" src="/page.js"></script>`
          )
        }
      })
      let browser
      const finish = (then) => {
        clearTimeout(limit)
        server.closeAllConnections()
        server.close()
        if (browser === undefined) return then()
        // its processes write the profile until they have ended
        browser.once("close", then)
        browser.kill("SIGKILL")
      }
      const limit = setTimeout(() => finish(() => reject(new Error("The page did not answer in a minute."))), 60_000)
      server.listen(0, "127.0.0.1", () => {
        const page = `http://127.0.0.1:${server.address().port}/?backend=${encodeURIComponent(url)}`
        browser = spawn(chromium, [
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-background-networking",
          `--user-data-dir=${profile}`,
          page
        ])
      })
    })
)
rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
console.log(text === "Hello, page" ? "A page in Chromium streamed a turn." : `FAILED: ${text}`)
process.exitCode = text === "Hello, page" ? 0 : 1
