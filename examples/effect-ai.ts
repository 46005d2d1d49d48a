/** Codex as a `LanguageModel` of `@effect/ai`: a text, a stream, an object. Only the Layer is specific to Codex. */
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { CodexLanguageModel } from "@effect-codex/ai"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Layer, Option, Schema, Stream } from "effect"
import { backend } from "./backend.ts"

const Recipe = Schema.Struct({
  title: Schema.String,
  minutes: Schema.Int,
  oven: Schema.optional(Schema.String)
})

const program = Effect.gen(function* () {
  const { text, usage } = yield* LanguageModel.generateText({ prompt: "Say hello in three languages." })
  yield* Console.log(`${text} (${usage.totalTokens} tokens)`)

  yield* LanguageModel.streamText({ prompt: "Count to five." }).pipe(
    Stream.runForEach((part) => (part.type === "text-delta" ? Console.log(part.delta) : Effect.void))
  )

  const { value } = yield* LanguageModel.generateObject({ prompt: "A recipe for dumplings.", schema: Recipe })
  yield* Console.log(`${value.title}: ${value.minutes} minutes`)
}).pipe(
  // the error of this library: its tag, what to do, when a limit resets
  Effect.tapErrorTag("UnknownError", (error) =>
    Option.match(CodexLanguageModel.codexError(error), {
      onNone: () => Effect.void,
      onSome: ({ _tag, message }) => Console.error(`${_tag}: ${message}`)
    })
  )
)

const ModelLive = Layer.provide(
  CodexLanguageModel.layer({ model: "gpt-5.5", config: { verbosity: "low" } }),
  backend(
    Script.turn({
      text: "Hello. Dobrý den. Grüß Gott.",
      usage: { inputTokens: 20, outputTokens: 10, totalTokens: 30 }
    }),
    Script.turn({ text: "One, two, three, four, five." }),
    Script.turn({ text: '{"title":"Dumplings","minutes":40,"oven":null}' })
  )
)

program.pipe(Effect.provide(ModelLive), NodeRuntime.runMain)
