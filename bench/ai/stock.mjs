/** `@effect/ai-openai` with its own client, as its documentation shows it. */
import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import * as OpenAiLanguageModel from "@effect/ai-openai/OpenAiLanguageModel"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { serve } from "./contestant.mjs"

serve((apiUrl) =>
  OpenAiLanguageModel.layer({ model: "gpt-5" }).pipe(
    Layer.provide(OpenAiClient.layer({ apiKey: Redacted.make("key"), apiUrl })),
    Layer.provide(FetchHttpClient.layer)
  )
)
