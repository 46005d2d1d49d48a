/**
 * Plays turns and faults to the official Codex CLI: `npm run interop:codex`. Installs `@openai/codex` into a temporary
 * directory, points a model provider at a `BackendServer`, and fails when an outcome is not the one written here.
 */
import { execFileSync } from "node:child_process"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as CodexCli from "./codexCli.ts"
import { invalidUtf8, temporary, unknownEvent } from "./installed.ts"

const call = Script.turn({ toolCalls: [{ name: "exec_command", arguments: { cmd: "echo 17" } }] })
const hello = Script.turn({ text: "Hello there." })

/** What is played, and what the CLI makes of it: the text it shows or its failure, and the number of requests. */
const cases: ReadonlyArray<readonly [name: string, script: Script.Script, outcome: string]> = [
  ["a tool call", [call, Script.turn({ text: "It is 17." })], "It is 17. · 2"],
  ["a stream that is cut", [hello.pipe(Script.truncateAfterEvents(6)), hello], "Hello there. · 2"],
  ["a stream that ends before its first event", [Script.bytes([]), hello], "Hello there. · 2"],
  ["a usage limit", [Script.usageLimit({ resetsInSeconds: 3600 })], "fails · 1"],
  ["an event it does not know", [unknownEvent], "Hello there. · 1"],
  ["bytes that are not UTF-8", [invalidUtf8, hello], "Hello there. · 2"]
]

const outcome = (cli: string, script: Script.Script) =>
  Effect.gen(function* () {
    const server = yield* BackendServer.make({ script })
    const { text = "fails" } = yield* CodexCli.exec(cli, {
      url: server.url,
      home: yield* temporary("codex-home-"),
      provider: { stream_max_retries: 1, request_max_retries: 1 }
    }).pipe(Effect.timeout("1 minute"))
    return `${text} · ${(yield* server.requests).length}`
  }).pipe(Effect.scoped)

NodeRuntime.runMain(
  Effect.gen(function* () {
    const cli = yield* CodexCli.install
    yield* Console.log(execFileSync(cli, ["--version"], { encoding: "utf8" }).trim())
    let differences = 0
    for (const [name, script, expected] of cases) {
      const found = yield* outcome(cli, script)
      if (found !== expected) differences++
      yield* Console.log(`${found === expected ? "as written" : "DIFFERENT "}  ${name}: ${found}`)
    }
    if (differences > 0) yield* Effect.fail(`${differences} outcomes are not as written`)
  }).pipe(Effect.scoped)
)
