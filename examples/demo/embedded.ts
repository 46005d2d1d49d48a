/** One turn with a tool round trip against the backend of the testing package, over real HTTP on 127.0.0.1. */
import { Message, type Turn } from "@effect-codex/schema"
import { Demo } from "@effect-codex/testing"
import { Effect, Schema } from "effect"
import { Codex } from "effect-codex"
import { embedded as embeddedCodex } from "../backend.ts"
import { line, show, summary } from "./print.ts"

const weatherTool = {
  type: "function",
  name: "get_weather",
  description: "The weather in a city.",
  strict: false,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false
  }
} as const

const Arguments = Schema.parseJson(Schema.Struct({ city: Schema.String }))

const answer = (call: Turn.ToolCall): Effect.Effect<string> =>
  Schema.decode(Arguments)(call.arguments).pipe(
    Effect.match({
      onFailure: () => `The arguments ${call.arguments} do not fit: give {"city": "…"}.`,
      onSuccess: ({ city }) => `${city}: 12 °C, light rain, wind 14 km/h`
    })
  )

const conversation = Effect.gen(function* () {
  const codex = yield* Codex.Codex
  const question = "What is the weather in Prague?"
  yield* line(`> ${question}\n`)
  const request = {
    conversationId: "demo",
    instructions: "Answer briefly. Use the tools.",
    tools: [weatherTool]
  }
  const asked = Message.user(question)
  const first = yield* show(codex.stream({ ...request, input: [asked] }))
  const results: Array<Message.Message> = []
  for (const call of first.turn.toolCalls) {
    const output = yield* answer(call)
    yield* line(`← ${output}\n`)
    results.push(Message.toolResult(call, output))
  }
  const second = yield* show(codex.stream({ ...request, input: [asked, ...first.turn.items, ...results] }))
  yield* summary([first, second])
  return 0
})

export const embedded = Effect.provide(conversation, embeddedCodex(Demo.script))
