/** Maps client errors to errors of `@effect/ai`, with the original error as `cause`. */
import * as AiError from "@effect/ai/AiError"
import type { JsonSchema, OutputFormat, Tool } from "@effect-codex/schema"
import type { CodexError, ToolError } from "effect-codex"

export type Cause =
  | CodexError.CodexError
  | JsonSchema.UnsupportedSchema
  | OutputFormat.InvalidOutput
  | Tool.InvalidToolArguments
  | ToolError.UnknownTool
  | ToolError.CallRejected

export type Method = "generateText" | "generateObject" | "streamText"

const module = "CodexLanguageModel"

/** The HTTP errors of `AiError` contain request headers, so they are never used. */
export const fromCause = (method: Method, cause: Cause): AiError.AiError => {
  const options = { module, method, description: cause.message, cause }
  switch (cause._tag) {
    case "InvalidRequest":
    case "ContextWindowExceeded":
    case "UnsupportedSchema":
      return new AiError.MalformedInput(options)
    case "StreamTruncated":
    case "InvalidUtf8":
    case "InvalidEvent":
    case "InvalidOutput":
    case "InvalidToolArguments":
    case "UnknownTool":
    case "CallRejected":
      return new AiError.MalformedOutput(options)
    default:
      return new AiError.UnknownError(options)
  }
}
