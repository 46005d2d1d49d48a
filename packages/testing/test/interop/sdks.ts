/**
 * Plays turns and faults to clients of others: `npm run interop:openai`, `interop:ai-sdk`, `interop:pi` and
 * `interop:effect-ai`. Installs the client from npm into a temporary directory, runs one turn for each case against a
 * `BackendServer`, and prints what it made of it. Fails where that is not what `expected.json` has.
 */
import { execFile, execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { installed, invalidUtf8, unknownEvent, withoutEnd } from "./installed.ts"

interface Client {
  readonly packages: ReadonlyArray<string>
  /** The Node it needs, where that may be another than the one at hand. */
  readonly node?: string
  /** How its requests travel, where it can be told. */
  readonly ways?: ReadonlyArray<string>
}

const clients: Readonly<Record<string, Client>> = {
  openai: { packages: ["openai@7.57.0"] },
  "ai-sdk": { packages: ["@ai-sdk/openai@4.0.118", "ai@7.0.173"] },
  "pi-ai": { packages: ["@earendil-works/pi-ai@1.5.2"], node: "node@22", ways: ["sse", "auto"] },
  "effect-ai-openai": {
    packages: [
      "@effect/ai-openai@0.41.0",
      "@effect/ai@0.37.0",
      "@effect/experimental@0.61.1",
      "@effect/platform@0.97.2",
      "@effect/platform-node@0.108.2",
      "effect@3.22.4"
    ]
  }
}

/** What each client made of each case, by the way its requests travel where that can be told. */
const expected = JSON.parse(Fs.readFileSync(new URL("expected.json", import.meta.url), "utf8")) as Readonly<
  Record<string, Readonly<Record<string, string>>>
>

const hello = Script.turn({ text: "Hello there." })
const looking: Script.Turn = { toolCalls: [{ name: "look", arguments: {} }] }
const call = Script.turn(looking)

const cases: ReadonlyArray<readonly [name: string, script: Script.Script]> = [
  ["a turn", [hello]],
  ["a tool call", [call]],
  ["a stream that is cut in the middle", [hello.pipe(Script.truncateAfterEvents(6)), hello]],
  ["a tool call, then cut before the end", [withoutEnd(looking), call]],
  ["a stream that ends before its first event", [Script.bytes([]), hello]],
  ["a usage limit", () => Script.usageLimit({ resetsInSeconds: 3600 })],
  ["a turn that fails", [Script.failed({ code: "server_is_overloaded", message: "Later" }), hello]],
  ["an event it does not know", [unknownEvent]],
  ["bytes that are not UTF-8", [invalidUtf8, hello]]
]

const outcome = (node: string, program: string, way: string, script: Script.Script) =>
  Effect.gen(function* () {
    const server = yield* BackendServer.make({ script, onUnexpected: "answer" })
    const output = yield* Effect.async<string>((resume) => {
      const child = execFile(node, [program, `${server.url}/codex`, TestAuth.jwt(), way], (_, stdout) =>
        resume(Effect.succeed(stdout))
      )
      return Effect.sync(() => child.kill("SIGKILL"))
    }).pipe(Effect.timeout("1 minute"))
    return `${output} · ${(yield* server.requests).length}`
  }).pipe(Effect.scoped)

NodeRuntime.runMain(
  Effect.gen(function* () {
    const name = process.argv[2] ?? ""
    const { node, packages, ways = [""] } = clients[name] ?? { packages: [] }
    const directory = yield* installed("codex-interop-", node === undefined ? packages : [...packages, node])
    const path = node === undefined ? process.execPath : Path.join(directory, "node_modules/.bin/node")
    const program = Path.join(directory, "client.mjs")
    Fs.copyFileSync(fileURLToPath(new URL(`clients/${name}.mjs`, import.meta.url)), program)
    const listed = execFileSync("npm", ["ls", "--prefix", directory, "--depth=0"], { encoding: "utf8" })
    yield* Console.log(listed.split("\n").slice(1).join("\n").trim())
    let differences = 0
    for (const way of ways) {
      const table = `${name} ${way}`.trim()
      yield* Console.log(`\n${table}`)
      for (const [title, script] of cases) {
        const found = yield* outcome(path, program, way, script)
        const isSame = found === expected[table]?.[title]
        if (!isSame) differences++
        yield* Console.log(`${isSame ? "as expected" : "DIFFERENT  "}  ${title}: ${found}`)
      }
    }
    if (differences > 0) yield* Effect.fail(`${differences} outcomes are not those of expected.json`)
  }).pipe(Effect.scoped)
)
