/**
 * Plays turns and faults to clients of others: `npm run interop:openai`, `npm run interop:ai-sdk`. Installs the client from
 * npm into a temporary directory, runs one turn for each case against a `BackendServer`, and prints what it made of it.
 */
import { execFile, execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { installed, invalidUtf8, unknownEvent } from "./installed.ts"

const clients: Readonly<Record<string, ReadonlyArray<string>>> = {
  openai: ["openai@7.57.0"],
  "ai-sdk": ["@ai-sdk/openai@4.0.118", "ai@7.0.173"]
}

const hello = Script.turn({ text: "Hello there." })
const call = Script.turn({ toolCalls: [{ name: "look", arguments: {} }] })

const cases: ReadonlyArray<readonly [name: string, script: Script.Script]> = [
  ["a turn", [hello]],
  ["a tool call", [call]],
  ["a stream that is cut in the middle", [hello.pipe(Script.truncateAfterEvents(6)), hello]],
  ["a tool call, then cut before the end", [call.pipe(Script.truncateAfterEvents(7)), call]],
  ["a stream that ends before its first event", [Script.bytes([]), hello]],
  ["a usage limit", () => Script.usageLimit({ resetsInSeconds: 3600 })],
  ["a turn that fails", [Script.failed({ code: "server_is_overloaded", message: "Later" }), hello]],
  ["an event it does not know", [unknownEvent]],
  ["bytes that are not UTF-8", [invalidUtf8, hello]]
]

const outcome = (program: string, script: Script.Script) =>
  Effect.gen(function* () {
    const server = yield* BackendServer.make({ script, onUnexpected: "answer" })
    const output = yield* Effect.async<string>((resume) => {
      const child = execFile(process.execPath, [program, `${server.url}/codex`], (_, stdout) =>
        resume(Effect.succeed(stdout))
      )
      return Effect.sync(() => child.kill("SIGKILL"))
    }).pipe(Effect.timeout("1 minute"))
    return `${output} · ${(yield* server.requests).length}`
  }).pipe(Effect.scoped)

NodeRuntime.runMain(
  Effect.gen(function* () {
    const name = process.argv[2] ?? ""
    const directory = yield* installed("codex-interop-", clients[name] ?? [])
    const program = Path.join(directory, "client.mjs")
    Fs.copyFileSync(fileURLToPath(new URL(`clients/${name}.mjs`, import.meta.url)), program)
    const listed = execFileSync("npm", ["ls", "--prefix", directory, "--depth=0"], { encoding: "utf8" })
    yield* Console.log(listed.split("\n").slice(1).join("\n").trim())
    for (const [title, script] of cases) yield* Console.log(`${title}: ${yield* outcome(program, script)}`)
  }).pipe(Effect.scoped)
)
