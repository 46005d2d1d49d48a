/** A manual tool round trip: the model calls a tool, the program answers, the model continues. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Message, Tool } from "@effect-codex/schema"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Schema } from "effect"
import { Codex } from "effect-codex"
import { backend } from "./backend.ts"

const program = Effect.gen(function* () {
  const codex = yield* Codex.Codex
  const add = yield* Tool.make({
    name: "add",
    description: "Adds two numbers.",
    parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number })
  })
  const request = { conversationId: "sums", tools: [add] }
  const question = Message.user("What is 17 + 25?")

  const asked = yield* codex.turn({ ...request, input: [question] })
  const results = yield* Effect.forEach(asked.toolCalls, (call) =>
    add.decode(call).pipe(
      Effect.map(({ a, b }) => Message.toolResult(call, String(a + b))),
      // the model receives the error and can call again
      Effect.catchTag("InvalidToolArguments", (error) =>
        Effect.succeed(Message.toolResult(call, error.message, { isError: true }))
      )
    )
  )
  // send the turn's items back unchanged, including reasoning
  const answered = yield* codex.turn({ ...request, input: [question, ...asked.items, ...results] })
  yield* Console.log(answered.text)
})

program.pipe(
  Effect.provide(
    backend(
      Script.turn({ toolCalls: [{ name: "add", arguments: { a: 17, b: 25 } }] }),
      Script.turn({ text: "17 + 25 = 42." })
    )
  ),
  NodeRuntime.runMain
)
