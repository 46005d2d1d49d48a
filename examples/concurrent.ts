/** Several concurrent turns, each with a line of progress. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Stream } from "effect"
import { Codex } from "effect-codex"
import { backend } from "./backend.ts"

const questions = ["Why is the sky blue?", "Why is the sea salty?", "Why do cats purr?"]

const ask = (question: string) =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    let characters = 0
    yield* codex.text({ prompt: question }).pipe(
      Stream.runForEach((words) => {
        characters += words.length
        return Console.log(`${question.padEnd(24)} ${"#".repeat(Math.ceil(characters / 4))}`)
      })
    )
  })

const program = Effect.forEach(questions, ask, { concurrency: 2, discard: true })

const answer = Script.turn({ text: "Nobody knows for sure, but there are ideas." }).pipe(Script.drip("5 millis"))

program.pipe(Effect.provide(backend(answer, answer, answer)), NodeRuntime.runMain)
