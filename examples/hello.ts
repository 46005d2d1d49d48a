/** Sends a prompt and waits for the whole answer. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { Console, Effect } from "effect"
import { Codex } from "effect-codex"
import { backend } from "./backend.ts"

const program = Effect.gen(function* () {
  const codex = yield* Codex.Codex
  const turn = yield* codex.turn({ prompt: "Say hello in three languages." })
  yield* Console.log(turn.text)
  yield* Console.log(`${turn.usage?.outputTokens} tokens`)
})

program.pipe(Effect.provide(backend(Script.turn({ text: "Hello. Dobrý den. Grüß Gott." }))), NodeRuntime.runMain)
