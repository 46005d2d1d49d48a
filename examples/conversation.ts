/** A conversation that is saved as JSON and continued. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { Console, Effect } from "effect"
import { Conversation, Snapshot } from "effect-codex"
import { backend } from "./backend.ts"

const program = Effect.gen(function* () {
  const conversation = yield* Conversation.make({ instructions: "Answer in one sentence." })
  const say = (words: string) =>
    Effect.flatMap(conversation.send(words), (turn) => Console.log(`> ${words}\n${turn.text}\n`))
  yield* say("My name is Ada. What is a monad?")
  yield* say("And a comonad?")

  const json = Snapshot.toJson(yield* conversation.snapshot)
  const resumed = yield* Effect.flatMap(Snapshot.fromJson(json), (snapshot) => Conversation.resume(snapshot))
  const turn = yield* resumed.send("What was my name?")
  yield* Console.log(`> What was my name?\n${turn.text}`)
})

program.pipe(
  Effect.provide(
    backend(
      Script.turn({ text: "A monad, Ada, is a way to put steps one after another." }),
      Script.turn({ text: "A comonad is a way to look at a value in its surroundings." }),
      Script.turn({ text: "Your name is Ada." })
    )
  ),
  NodeRuntime.runMain
)
