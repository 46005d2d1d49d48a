/** A toolkit of `@effect/ai`: two parallel tools, a failing tool, and an invalid call. */
import * as Chat from "@effect/ai/Chat"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { CodexLanguageModel } from "@effect-codex/ai"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Layer, Schema } from "effect"
import { backend } from "./backend.ts"

class NoSuchCity extends Schema.TaggedError<NoSuchCity>()("NoSuchCity", { city: Schema.String }) {}

const Weather = Tool.make("weather", {
  description: "The temperature in a city, in °C.",
  parameters: { city: Schema.String },
  success: Schema.Struct({ degrees: Schema.Number }),
  failure: NoSuchCity,
  failureMode: "return"
})
const Time = Tool.make("time", {
  description: "The time in a city.",
  parameters: { city: Schema.String },
  success: Schema.String
})

const tools = Toolkit.make(Weather, Time)

const ToolsLive = tools.toLayer({
  weather: ({ city }) =>
    city === "Atlantis"
      ? Effect.fail(new NoSuchCity({ city }))
      : Effect.succeed({ degrees: city === "Prague" ? 12 : 15 }),
  time: () => Effect.succeed("noon")
})

const program = Effect.gen(function* () {
  const chat = yield* Chat.fromPrompt([{ role: "system", content: "Answer in one sentence." }])
  let prompt = "Is it a good time for a walk in Prague or in Atlantis?"
  while (true) {
    const response = yield* chat.generateText({ prompt: prompt || [], toolkit: tools, concurrency: "unbounded" })
    for (const { isFailure, name, result } of response.toolResults) {
      yield* Console.log(`${name} ${isFailure ? "failed" : "gave"} ${JSON.stringify(result)}`)
    }
    const finish = response.content.find((part) => part.type === "finish")
    for (const { answer, name } of finish?.metadata.codex?.invalidToolCalls ?? []) {
      yield* Console.log(`${name} was answered: ${answer}`)
    }
    if (response.finishReason !== "tool-calls") return yield* Console.log(response.text)
    prompt = ""
  }
})

const ModelLive = Layer.provide(
  CodexLanguageModel.layer({ model: "gpt-5.5" }),
  backend(
    Script.turn({
      toolCalls: [
        { name: "weather", arguments: { city: "Prague" } },
        { name: "time", arguments: { city: "Prague" } },
        { name: "weather", arguments: { town: "Atlantis" } }
      ]
    }),
    Script.turn({ toolCalls: [{ name: "weather", arguments: { city: "Atlantis" } }] }),
    Script.turn({ text: "Walk in Prague: it has 12 °C at noon, and of Atlantis nothing is known." })
  )
)

program.pipe(Effect.provide(ToolsLive), Effect.provide(ModelLive), NodeRuntime.runMain)
