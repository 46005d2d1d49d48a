/** Interrupts a turn: the request is aborted, so unread output costs nothing. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Stream } from "effect"
import { Codex } from "effect-codex"
import { backend } from "./backend.ts"

const program = Effect.gen(function* () {
  const codex = yield* Codex.Codex

  // take only part of the stream: the rest is not requested
  const opening = yield* codex.text({ prompt: "Tell me a long story." }).pipe(Stream.take(5), Stream.mkString)
  yield* Console.log(`${opening}…`)

  // or set a time limit for the turn
  const turn = yield* codex.turn({ prompt: "Tell me another one." }).pipe(Effect.timeoutOption("200 millis"))
  yield* Console.log(turn._tag === "None" ? "too long a story" : turn.value.text)
})

const story = Script.turn({ text: "Once upon a time there was a very long story. ".repeat(50) })

program.pipe(Effect.provide(backend(story, story.pipe(Script.drip("20 millis")))), NodeRuntime.runMain)
