/** Runs tool calls until the model is done, and prints the events. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Tool } from "@effect-codex/schema"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Schema, Stream } from "effect"
import { Toolkit, ToolLoop } from "effect-codex"
import { backend } from "./backend.ts"

class NoSuchCity extends Schema.TaggedError<NoSuchCity>()("NoSuchCity", { city: Schema.String }) {
  override get message() {
    return `There is no city named ${this.city}; ask for one of Prague and Vienna.`
  }
}

const temperature = Effect.map(
  Tool.make({
    name: "temperature",
    description: "The temperature in a city, in °C.",
    parameters: Schema.Struct({ city: Schema.String })
  }),
  (tool) =>
    Toolkit.handler(tool, ({ city }) =>
      city === "Atlantis" ? Effect.fail(new NoSuchCity({ city })) : Effect.succeed(city === "Prague" ? "12" : "15")
    )
)

const program = Effect.gen(function* () {
  const tools = [yield* temperature]
  yield* ToolLoop.run({ prompt: "Where is it warmer: in Prague, Vienna or Atlantis?", tools, maxSteps: 5 }).pipe(
    Stream.runForEach((event) => {
      switch (event._tag) {
        case "ToolSucceeded":
          return Console.log(`${event.call.name} ${event.call.arguments} → ${event.output}`)
        case "ToolFailed":
          return Console.log(`${event.call.name} ${event.call.arguments} failed: ${event.error._tag}`)
        case "LoopCompleted":
          return Console.log(`${event.turn.text}\n(${event.steps} requests, ${event.usage.totalTokens} tokens)`)
        default:
          return Effect.void
      }
    })
  )
})

const ask = (city: string) => ({ name: "temperature", arguments: { city } })

program.pipe(
  Effect.provide(
    backend(
      Script.turn({ toolCalls: [ask("Prague"), ask("Vienna"), ask("Atlantis")] }),
      Script.turn({ text: "In Vienna, with 15 °C; of Atlantis nothing is known." })
    )
  ),
  NodeRuntime.runMain
)
