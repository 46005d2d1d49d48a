/** A test without a network: script the backend, provide it, assert. Also works in a test runner. */
import * as Assert from "node:assert"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script, ScriptedBackend, TestCodex } from "@effect-codex/testing"
import { Console, Effect } from "effect"
import { Codex } from "effect-codex"

/** The code under test: anything that uses `Codex`. */
const headline = (text: string) =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const turn = yield* codex.turn({ instructions: "Write a headline.", prompt: text })
    return turn.text.toUpperCase()
  })

const test = Effect.gen(function* () {
  Assert.strictEqual(yield* headline("It rained all day."), "RAIN AGAIN")

  const backend = yield* ScriptedBackend.ScriptedBackend
  const requests = yield* backend.requests
  Assert.strictEqual(requests.length, 2) // the first one was refused with a 503, and nobody noticed
  yield* Console.log("passed")
})

const script = [Script.status(503), Script.turn({ text: "Rain again" })]

test.pipe(Effect.provide(TestCodex.layer(script, { retry: { outageBaseDelay: "10 millis" } })), NodeRuntime.runMain)
