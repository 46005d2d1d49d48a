/** The answer as a typed value: the schema is sent with the request and decodes the answer. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Schema } from "effect"
import { Codex } from "effect-codex"
import { backend } from "./backend.ts"

const Recipe = Schema.Struct({
  title: Schema.String,
  minutes: Schema.Int,
  ingredients: Schema.Array(Schema.Struct({ name: Schema.String, amount: Schema.optional(Schema.String) }))
})

const program = Effect.gen(function* () {
  const codex = yield* Codex.Codex
  const recipe = yield* codex.object({ prompt: "A recipe for pancakes, please." }, Recipe)
  yield* Console.log(`${recipe.title}, ${recipe.minutes} minutes`)
  yield* Effect.forEach(recipe.ingredients, ({ amount, name }) => Console.log(`- ${amount ?? "some"} ${name}`))
}).pipe(
  // a refusal, an incomplete answer, or one that does not match the schema
  Effect.catchTag("InvalidOutput", (error) => Console.error(error.message))
)

const json =
  '{"title":"Pancakes","minutes":20,"ingredients":[{"name":"flour","amount":"200 g"},{"name":"salt","amount":null}]}'

program.pipe(Effect.provide(backend(Script.turn({ text: json }))), NodeRuntime.runMain)
