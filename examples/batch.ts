/** Sends many prompts, eight at a time. Stops at the plan's limit, and reports the remaining prompts. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Ref } from "effect"
import { Codex, type CodexError } from "effect-codex"
import { backend } from "./backend.ts"

const prompts = Array.from({ length: 200 }, (_, n) => `Summarise page ${n + 1}.`)

/** The result of a prompt: an answer, an error, or nothing yet. */
type Outcome =
  | { readonly _tag: "Answer"; readonly text: string }
  | { readonly _tag: "Impossible"; readonly error: CodexError.CodexError }
  | { readonly _tag: "Left" }

const batch = (prompts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const stopped = yield* Ref.make<CodexError.CodexError | undefined>(undefined)
    const one = (prompt: string): Effect.Effect<Outcome> =>
      Effect.flatMap(Ref.get(stopped), (stop) =>
        stop !== undefined
          ? Effect.succeed<Outcome>({ _tag: "Left" })
          : codex.turn({ prompt }).pipe(
              Effect.map(({ text }): Outcome => ({ _tag: "Answer", text })),
              Effect.catchAll((error) => {
                switch (error.group) {
                  case "request":
                    return Effect.succeed<Outcome>({ _tag: "Impossible", error })
                  case "later":
                    return Effect.succeed<Outcome>({ _tag: "Left" })
                  case "account":
                    return Effect.as(Ref.set(stopped, error), { _tag: "Left" } as const)
                }
              })
            )
      )
    const outcomes = yield* Effect.forEach(prompts, one, { concurrency: 8 })
    return { outcomes, stopped: yield* Ref.get(stopped) }
  })

const program = Effect.gen(function* () {
  const { outcomes, stopped } = yield* batch(prompts)
  const count = (tag: Outcome["_tag"]) => outcomes.filter(({ _tag }) => _tag === tag).length
  if (stopped !== undefined) yield* Console.log(stopped.message)
  yield* Console.log(`${count("Answer")} answered, ${count("Impossible")} impossible, ${count("Left")} left`)
})

const pages = [
  ...Array.from({ length: 40 }, (_, n) => Script.turn({ text: `Page ${n + 1} in short.` })),
  Script.status(400),
  ...Array.from({ length: 159 }, () => Script.usageLimit())
]

program.pipe(Effect.provide(backend(...pages)), NodeRuntime.runMain)
