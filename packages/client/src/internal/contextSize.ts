/** Checks whether a request can fit into the model's context window. */
import { type Model, type ResponsesRequest, ServiceError } from "@effect-codex/schema"
import * as Effect from "effect/Effect"

/** An upper bound of the average characters per token in any language. Images and documents are not counted. */
const charactersPerToken = 8

/** A lower bound of the tokens in the texts of the request. */
export const leastTokens = (
  body: ResponsesRequest.ResponsesRequest,
  lengthOf = (text: string) => text.length
): number => {
  const texts = body.input.flatMap((item) => {
    switch (item.type) {
      case "message":
        return item.content.map((part) => ("text" in part && typeof part.text === "string" ? part.text : ""))
      case "function_call":
        return [item.arguments]
      case "function_call_output":
      case "custom_tool_call_output":
        return [typeof item.output === "string" ? item.output : ""]
      default:
        return []
    }
  })
  const length = texts.reduce((sum, text) => sum + lengthOf(text), lengthOf(body.instructions))
  return Math.ceil(length / charactersPerToken)
}

/** The length with long runs of one character shortened: a run can be a single token. */
const lengthWithoutRuns = (text: string): number => text.replaceAll(/(.)\1{7}(?=\1)/gs, "").length

/** Rejects a request that exceeds even the model's largest window, without sending it. */
export const check = (
  body: ResponsesRequest.ResponsesRequest,
  model: Model.Model | undefined
): Effect.Effect<void, ServiceError.ContextWindowExceeded> => {
  const contextWindow = model?.max_context_window ?? model?.context_window
  if (typeof contextWindow !== "number" || leastTokens(body) <= contextWindow) return Effect.void
  const inputTokens = leastTokens(body, lengthWithoutRuns)
  return inputTokens <= contextWindow
    ? Effect.void
    : Effect.fail(new ServiceError.ContextWindowExceeded({ contextWindow, inputTokens }))
}
