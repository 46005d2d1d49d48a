/** What the tests of this package have in common. */
import { Chat, LanguageModel, Prompt, Tool, Toolkit } from "@effect/ai"
import type { Item } from "@effect-codex/schema"
import { ScriptedBackend } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export class NoSuchCity extends Schema.TaggedError<NoSuchCity>()("NoSuchCity", { city: Schema.String }) {}

export const Weather = Tool.make("weather", {
  description: "The weather in a city, now.",
  parameters: { city: Schema.String, unit: Schema.optional(Schema.Literal("C", "F")) },
  success: Schema.Struct({ degrees: Schema.Number }),
  failure: NoSuchCity,
  failureMode: "return"
})

export const Clock = Tool.make("clock", { description: "The time, now.", success: Schema.String })

export const tools = Toolkit.make(Weather, Clock)

/** The calls that handlers carried out, in their order. */
export const handlers = (ran: Array<string> = []) =>
  tools.toLayer({
    weather: ({ city }) =>
      Effect.suspend(() => {
        ran.push(`weather ${city}`)
        return city === "Atlantis" ? Effect.fail(new NoSuchCity({ city })) : Effect.succeed({ degrees: city.length })
      }),
    clock: () =>
      Effect.sync(() => {
        ran.push("clock")
        return "noon"
      })
  })

export const sent = Effect.flatMap(ScriptedBackend.ScriptedBackend, (backend) => backend.requests)

/** A request's items in a few words: `user reasoning fc fc_output`. */
export const outline = (input: ReadonlyArray<Item.Item>): string =>
  input
    .map((item) => {
      switch (item.type) {
        case "message":
          return item.role
        case "function_call":
          return `call:${item.name}`
        case "function_call_output":
          return "output"
        default:
          return item.type
      }
    })
    .join(" ")

/** A program as the documentation of `@effect/ai` has it: asks, and asks again while there are calls. */
export const rounds = (chat: Chat.Service, prompt: string) =>
  Effect.gen(function* () {
    let response = yield* chat.generateText({ prompt, toolkit: tools, concurrency: "unbounded" })
    while (response.finishReason === "tool-calls") {
      response = yield* chat.generateText({ prompt: [], toolkit: tools, concurrency: "unbounded" })
    }
    return response.text
  })

export { Chat, LanguageModel, Prompt }
