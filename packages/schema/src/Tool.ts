/**
 * Tools declared with an Effect `Schema`: what the model is told of them, and the way its arguments come back.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as JsonSchema from "./JsonSchema.ts"
import type * as ToolSpec from "./ToolSpec.ts"
import type * as Turn from "./Turn.ts"

/**
 * A tool. `spec` is what a request sends; `decode` reads the arguments of a call to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tool<out A> {
  readonly name: string
  readonly spec: ToolSpec.FunctionTool | ToolSpec.CustomTool
  readonly decode: (call: Turn.ToolCall) => Effect.Effect<A, InvalidToolArguments>
}

/**
 * The model's arguments are no JSON, or do not fit the tool's schema; `issues` says where. `arguments` is the model's
 * own text. Sent back as the call's result, the message lets the model correct itself.
 *
 * @since 0.1.0
 * @category errors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Message, type Tool, type Turn } from "@effect-codex/schema"
 *
 * const answer = (tool: Tool.Tool<{ city: string }>, call: Turn.ToolCall) =>
 *   tool.decode(call).pipe(
 *     Effect.map(({ city }) => Message.toolResult(call, `12 °C in ${city}`)),
 *     Effect.catchTag("InvalidToolArguments", (error) =>
 *       Effect.succeed(Message.toolResult(call, error.message, { isError: true }))
 *     )
 *   )
 * ```
 */
export class InvalidToolArguments extends Schema.TaggedError<InvalidToolArguments>(
  "@effect-codex/schema/InvalidToolArguments"
)("InvalidToolArguments", {
  tool: Schema.String,
  callId: Schema.String,
  arguments: Schema.String,
  reason: Schema.Literal("invalid_json", "mismatch"),
  issues: Schema.Array(JsonSchema.Issue)
}) {
  readonly isRetryable = false
  override get message(): string {
    const what = this.reason === "invalid_json" ? "are not valid JSON" : "do not fit its parameters"
    return `The arguments of "${this.tool}" ${what} (${JsonSchema.formatIssues(this.issues)}); call it again with corrected ones.`
  }
}

/**
 * A function tool. `parameters` is sent as its JSON Schema (`Schema.Struct({})` for none); arguments that are no text at
 * all decode as `{}`, as models write them for tools without parameters. With `strict` (default `false`) the server holds
 * the model to it, which asks for the strict subset: see `JsonSchema.strictFromSchema`. A `deferred` tool is hidden until
 * a tool search finds it.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Tool } from "@effect-codex/schema"
 *
 * const program = Effect.gen(function* () {
 *   const weather = yield* Tool.make({
 *     name: "weather",
 *     description: "The weather of a city, now.",
 *     parameters: Schema.Struct({ city: Schema.String })
 *   })
 *   return weather.spec.name
 * })
 * ```
 */
export const make = <A, I>(options: {
  readonly name: string
  readonly description?: string
  readonly parameters: Schema.Schema<A, I>
  readonly strict?: boolean
  readonly deferred?: boolean
}): Effect.Effect<Tool<A>, JsonSchema.UnsupportedSchema> => {
  const { deferred, description, name, parameters, strict = false } = options
  const form = strict ? JsonSchema.strictFromSchema(name, parameters) : JsonSchema.openFromSchema(name, parameters)
  return Effect.map(form, ({ codec, jsonSchema }) => ({
    name,
    spec: {
      type: "function",
      name,
      ...(description === undefined ? {} : { description }),
      strict,
      parameters: jsonSchema,
      ...(deferred === true ? { defer_loading: true } : {})
    },
    decode: (call) =>
      JsonSchema.parse(codec, call.arguments.trim() === "" ? "{}" : call.arguments).pipe(
        Effect.mapError(
          (problem) =>
            new InvalidToolArguments({ tool: name, callId: call.callId, arguments: call.arguments, ...problem })
        )
      )
  }))
}

/**
 * A tool whose input is plain text, possibly held to a grammar. Decoding gives the text as it came.
 *
 * @since 0.1.0
 * @category constructors
 */
export const custom = (options: {
  readonly name: string
  readonly description?: string
  readonly format?: ToolSpec.CustomTool["format"]
}): Tool<string> => ({
  name: options.name,
  spec: {
    type: "custom",
    name: options.name,
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.format === undefined ? {} : { format: options.format })
  },
  decode: (call) => Effect.succeed(call.arguments)
})
