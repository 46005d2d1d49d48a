/**
 * Tools declared with a schema: their wire form and the decoding of the model's arguments.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Failure from "./Failure.ts"
import * as Wire from "./internal/wire.ts"
import * as JsonSchema from "./JsonSchema.ts"
import * as Redaction from "./Redaction.ts"
import * as ToolSpec from "./ToolSpec.ts"
import type * as Turn from "./Turn.ts"

/**
 * A tool. `spec` is sent with a request; `decode` decodes the arguments of a call; `warnings` lists the parts of its
 * schema that the server does not support.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tool<out A> {
  readonly name: string
  readonly spec: ToolSpec.FunctionTool | ToolSpec.CustomTool
  readonly decode: (call: Turn.ToolCall) => Effect.Effect<A, InvalidToolArguments>
  readonly warnings: ReadonlyArray<string>
}

/**
 * The model's arguments are not JSON, or do not match the tool's schema; `issues` says where. `arguments` is the
 * model's text. Send the message back as the call's result so that the model can correct the call.
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
export class InvalidToolArguments extends Failure.Class<InvalidToolArguments>(
  "@effect-codex/schema/InvalidToolArguments"
)("InvalidToolArguments", {
  tool: Schema.String,
  callId: Schema.String,
  arguments: Schema.String,
  reason: Schema.Literal("invalid_json", "mismatch"),
  issues: Schema.Array(JsonSchema.Issue)
}) {
  override get message(): string {
    const what = this.reason === "invalid_json" ? "are not valid JSON" : "do not fit its parameters"
    const issues = Redaction.visible(JsonSchema.formatIssues(this.issues))
    return `The arguments of "${this.tool}" ${what} (${issues}); call it again with corrected ones.`
  }
}

/**
 * Options of a function tool. `parameters` is sent as JSON Schema (use `Schema.Struct({})` for none). With `strict`
 * (default `false`) the server enforces it, which requires the strict subset: see `JsonSchema.strictFromSchema`. A
 * `deferred` tool is hidden until a tool search finds it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<A, I> {
  readonly name: string
  readonly description?: string | undefined
  readonly parameters: Schema.Schema<A, I>
  readonly strict?: boolean | undefined
  readonly deferred?: boolean | undefined
}

interface Declared<A> extends Pick<JsonSchema.Form<A>, "jsonSchema" | "codec" | "warnings"> {
  readonly strict: boolean
}

const build = <A>(
  options: Pick<Options<A, unknown>, "name" | "description" | "deferred">,
  form: Either.Either<Declared<A>, JsonSchema.UnsupportedSchema>
): Either.Either<Tool<A>, JsonSchema.UnsupportedSchema> => {
  const { deferred, description, name } = options
  if (!ToolSpec.isName(name)) {
    return Either.left(new JsonSchema.UnsupportedSchema({ name, problems: [ToolSpec.nameRule] }))
  }
  return Either.map(form, ({ codec, jsonSchema, strict, warnings }) => ({
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
      // models write an empty string for no arguments; any other invalid JSON is an error
      JsonSchema.parse(codec, call.arguments === "" ? "{}" : call.arguments).pipe(
        Effect.mapError(
          (problem) =>
            new InvalidToolArguments({ tool: name, callId: call.callId, arguments: call.arguments, ...problem })
        )
      ),
    warnings
  }))
}

const declare = <A, I>(options: Options<A, I>): Either.Either<Tool<A>, JsonSchema.UnsupportedSchema> => {
  const { name, parameters, strict = false } = options
  return build(
    options,
    Either.map(JsonSchema.fromSchema(name, parameters, { strict }), (form) => ({ ...form, strict }))
  )
}

const logged = <A>(
  tool: Either.Either<Tool<A>, JsonSchema.UnsupportedSchema>
): Effect.Effect<Tool<A>, JsonSchema.UnsupportedSchema> =>
  Effect.tap(tool, ({ name, warnings }) =>
    Effect.forEach(warnings, (warning) => Effect.logWarning(`Tool "${name}": ${warning}`), { discard: true })
  )

/**
 * Makes a function tool. An empty arguments string decodes as `{}`, because models write it for tools without
 * parameters. Unsupported schema features are logged as warnings; in a `strict` tool they are errors.
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
export const make = <A, I>(options: Options<A, I>): Effect.Effect<Tool<A>, JsonSchema.UnsupportedSchema> =>
  Effect.suspend(() => logged(declare(options)))

/**
 * The synchronous version of {@link make}: it throws `UnsupportedSchema`, and does not log the `warnings`.
 *
 * Use it for static schemas at the top level of a module: an unsupported one fails at the first start of the program,
 * and a supported one never throws. For a schema created at run time use {@link make}.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Tool } from "@effect-codex/schema"
 *
 * const weather = Tool.unsafeMake({ name: "weather", parameters: Schema.Struct({ city: Schema.String }) })
 * ```
 */
export const unsafeMake = <A, I>(options: Options<A, I>): Tool<A> =>
  Either.getOrThrowWith(declare(options), (error) => error)

/**
 * Makes a function tool from a third-party JSON Schema, such as the `inputSchema` of an MCP tool, in the nearest form
 * the server accepts (`JsonSchema.normalize`). Changes are logged and listed in `warnings`. It fails for anything that
 * is not the schema of an object; the error names the tool, so that a bad tool can be skipped. `decode` returns the
 * model's object without validating it against the JSON Schema.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Array, Effect, Either } from "effect"
 * import { Tool } from "@effect-codex/schema"
 *
 * const listed = [{ name: "list_files", description: "All files.", inputSchema: { type: "object" } }]
 *
 * const program = Effect.gen(function* () {
 *   const results = yield* Effect.forEach(listed, ({ description, inputSchema, name }) =>
 *     Effect.either(Tool.fromJsonSchema({ name, description, parameters: inputSchema }))
 *   )
 *   const [refused, tools] = Array.separate(results)
 *   yield* Effect.forEach(refused, (error) => Effect.logWarning(error.message))
 *   return tools
 * })
 * ```
 */
export const fromJsonSchema = (
  options: Omit<Options<never, never>, "parameters"> & { readonly parameters: unknown }
): Effect.Effect<Tool<{ readonly [key: string]: unknown }>, JsonSchema.UnsupportedSchema> =>
  Effect.suspend(() => {
    const { name, parameters, strict = false } = options
    const form = Either.map(JsonSchema.normalize(name, parameters, { strict }), ({ changes, ...normalized }) => ({
      ...normalized,
      codec: anyObject,
      warnings: changes
    }))
    return logged(build(options, form))
  })

const anyObject = Schema.make<{ readonly [key: string]: unknown }, unknown>(Wire.record(Schema.Unknown).ast)

/**
 * A tool whose input is plain text, optionally constrained by a grammar. Decoding returns the text unchanged.
 *
 * @since 0.1.0
 * @category constructors
 */
export const custom = (options: {
  readonly name: string
  readonly description?: string | undefined
  readonly format?: ToolSpec.CustomTool["format"] | undefined
}): Tool<string> => ({
  name: options.name,
  spec: {
    type: "custom",
    name: options.name,
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.format === undefined ? {} : { format: options.format })
  },
  decode: (call) => Effect.succeed(call.arguments),
  warnings: []
})
