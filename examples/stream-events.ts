/** Handles the events of a turn as they arrive. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Match, Stream } from "effect"
import { Codex } from "effect-codex"
import { backend } from "./backend.ts"

const program = Effect.gen(function* () {
  const codex = yield* Codex.Codex
  yield* codex.stream({ prompt: "How far is the moon?", reasoning: { summary: "auto" } }).pipe(
    Stream.map((event) =>
      Match.value(event).pipe(
        Match.tag("ReasoningDelta", ({ delta }) => `thinks  ${JSON.stringify(delta)}`),
        Match.tag("TextDelta", ({ delta }) => `says    ${JSON.stringify(delta)}`),
        Match.tag("UsageReported", ({ usage }) => `cost    ${usage.totalTokens} tokens`),
        Match.tag("TurnRestarted", ({ reason }) => `again   after ${reason}: drop what was shown`),
        Match.tag("TurnCompleted", ({ turn }) => `done    ${turn.status}`),
        Match.orElse(({ _tag }) => `        ${_tag}`)
      )
    ),
    Stream.runForEach(Console.log)
  )
})

const answer = Script.turn({ reasoning: "An easy one.", text: "About 384,400 km on average." })

program.pipe(Effect.provide(backend(answer)), NodeRuntime.runMain)
