/**
 * Tools with their handlers.
 *
 * A tool is a value (`Tool.unsafeMake`), and {@link handler} adds a function to it. A {@link Toolkit} is a set of tools
 * whose handlers are a service, so that tests can replace them.
 *
 * @since 0.1.0
 */
import type { Message, Tool, Turn } from "@effect-codex/schema"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * The result of a handler: text, or content parts for images and documents.
 *
 * @since 0.1.0
 * @category models
 */
export type Output = string | ReadonlyArray<Message.Content>

/**
 * What a handler receives besides the arguments.
 *
 * @since 0.1.0
 * @category models
 */
export interface Invocation {
  /** The call, as the model made it. */
  readonly call: Turn.ToolCall
  /** Emits a `ToolProgress` event for the program. The model does not see it. */
  readonly report: (progress: unknown) => Effect.Effect<void>
}

/**
 * A tool with its handler. It can be used wherever a tool can.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handler<out E = never, out R = never> extends Pick<Tool.Tool<unknown>, "name" | "spec"> {
  /** The time limit of one call. A handler that cannot be interrupted runs to its end. Default: none. */
  readonly timeLimit: Duration.DurationInput | undefined
  /** Decodes the arguments of a call, and returns the function that runs it. */
  readonly prepare: (
    call: Turn.ToolCall
  ) => Effect.Effect<(report: Invocation["report"]) => Effect.Effect<Output, E, R>, Tool.InvalidToolArguments>
}

/**
 * Combines a tool with a function of the decoded arguments. A failure of the function does not fail the program: the
 * model receives the error message.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Tool, Toolkit } from "effect-codex"
 *
 * const clock = Toolkit.handler(
 *   Tool.unsafeMake({ name: "clock", parameters: Schema.Struct({ zone: Schema.String }) }),
 *   ({ zone }) => Effect.succeed(`It is noon in ${zone}.`),
 *   { timeLimit: "10 seconds" }
 * )
 * ```
 */
export const handler = <A, E, R>(
  tool: Tool.Tool<A>,
  handle: (args: A, invocation: Invocation) => Effect.Effect<Output, E, R>,
  options: { readonly timeLimit?: Duration.DurationInput | undefined } = {}
): Handler<E, R> => ({
  name: tool.name,
  spec: tool.spec,
  timeLimit: options.timeLimit,
  prepare: (call) => Effect.map(tool.decode(call), (args) => (report) => handle(args, { call, report }))
})

/**
 * The service of a toolkit's handlers, identified by the id of the toolkit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handlers<in out Id extends string> {
  readonly _: unique symbol
  readonly id: Id
}

/**
 * A function for each tool of a toolkit.
 *
 * @since 0.1.0
 * @category models
 */
export type Functions<Tools extends Record<string, Tool.Tool<unknown>>> = {
  readonly [K in keyof Tools]: (
    args: Tools[K] extends Tool.Tool<infer A> ? A : never,
    invocation: Invocation
  ) => Effect.Effect<Output, unknown, unknown>
}

/**
 * A set of tools whose handlers are a service.
 *
 * @since 0.1.0
 * @category models
 */
export interface Toolkit<Id extends string, Tools extends Record<string, Tool.Tool<unknown>>> {
  readonly tools: Tools
  /** The tools with their handlers from the environment, for `Conversation` or `ToolLoop`. */
  readonly handlers: Effect.Effect<ReadonlyArray<Handler<unknown>>, never, Handlers<Id>>
  /** A Layer of the handlers. It requires the services that the functions require. */
  readonly toLayer: <F extends Functions<Tools>>(
    functions: F,
    options?: { readonly timeLimit?: Duration.DurationInput | undefined }
  ) => Layer.Layer<Handlers<Id>, never, Effect.Effect.Context<ReturnType<F[keyof Tools]>>>
}

/**
 * Creates a toolkit. The id is the key of its service and must be unique in the program.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Conversation, Tool, Toolkit } from "effect-codex"
 *
 * const FileTools = Toolkit.make("app/FileTools", {
 *   read: Tool.unsafeMake({ name: "read", parameters: Schema.Struct({ path: Schema.String }) })
 * })
 *
 * const FileToolsTest = FileTools.toLayer({ read: ({ path }) => Effect.succeed(`content of ${path}`) })
 *
 * const program = Effect.gen(function* () {
 *   const conversation = yield* Conversation.make({ tools: yield* FileTools.handlers })
 *   yield* Stream.runDrain(conversation.run("What is in README.md?"))
 * }).pipe(Effect.provide(FileToolsTest))
 * ```
 */
export const make = <const Id extends string, Tools extends Record<string, Tool.Tool<unknown>>>(
  id: Id,
  tools: Tools
): Toolkit<Id, Tools> => {
  const tag = Context.GenericTag<Handlers<Id>, ReadonlyArray<Handler<unknown>>>(`effect-codex/Toolkit/${id}`)
  return {
    tools,
    handlers: tag,
    toLayer: (functions, options) =>
      Layer.effect(
        tag,
        Effect.map(Effect.context<never>(), (context) =>
          Object.entries(tools).map(([key, tool]) => {
            // `context` contains everything the handler requires
            const handle = functions[key] as (args: unknown, invocation: Invocation) => Effect.Effect<Output, unknown>
            // @effect-diagnostics-next-line anyUnknownInErrorContext:off
            return handler(tool, (args, invocation) => Effect.provide(handle(args, invocation), context), options)
          })
        )
      )
  }
}
