/** One turn by `@effect/ai-openai`; prints its text, the calls whose handler ran, and the error it ended with. */
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import * as OpenAiLanguageModel from "@effect/ai-openai/OpenAiLanguageModel"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const seen = { text: "", calls: [] }
const toolkit = Toolkit.make(Tool.make("look", { success: Schema.String }))
const handlers = toolkit.toLayer({
  look: () =>
    Effect.sync(() => {
      seen.calls.push("look")
      return "17"
    })
})
const model = OpenAiLanguageModel.layer({ model: "gpt-5.5", config: { store: false, instructions: "Be brief." } }).pipe(
  Layer.provide(
    OpenAiClient.layer({
      apiKey: Redacted.make("none"),
      apiUrl: process.argv[2],
      transformClient: HttpClient.retryTransient({ times: 1 })
    })
  ),
  Layer.provide(NodeHttpClient.layerUndici)
)
await LanguageModel.streamText({ prompt: "Say it.", toolkit }).pipe(
  Stream.runForEach((part) =>
    Effect.sync(() => {
      if (part.type === "text-delta") seen.text += part.delta
      if (part.type === "error") seen.error = "an error part"
    })
  ),
  Effect.catchAll((error) =>
    Effect.sync(() => {
      seen.error = `${error._tag} ${error.reason ?? ""}`.trim()
    })
  ),
  Effect.provide([model, handlers]),
  Effect.runPromise
)
process.stdout.write(JSON.stringify(seen))
