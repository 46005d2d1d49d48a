/**
 * The backend's built-in tools, for a `Toolkit` of `@effect/ai`.
 *
 * {@link webSearch} and {@link imageGeneration} run on the server; {@link localShell} and {@link custom} run in a
 * handler of the program.
 *
 * @since 0.1.0
 */
import * as Tool from "@effect/ai/Tool"
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

const loose = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

/**
 * The ids of the provider-defined tools.
 *
 * @since 0.1.0
 * @category models
 */
export const ids = {
  webSearch: "codex.web_search",
  imageGeneration: "codex.image_generation",
  localShell: "codex.local_shell",
  custom: "codex.custom"
} as const

/**
 * Web search, run by the server. The response contains parts for the calls and their status; citations are `source`
 * parts.
 *
 * `external_web_access: false` uses only the server's cached index.
 *
 * @since 0.1.0
 * @category tools
 * @example
 * ```ts
 * import { Toolkit } from "@effect/ai"
 * import { CodexTool } from "@effect-codex/ai"
 *
 * const toolkit = Toolkit.make(CodexTool.webSearch({ search_context_size: "low" }))
 * ```
 */
export const webSearch = Tool.providerDefined({
  id: ids.webSearch,
  toolkitName: "CodexWebSearch",
  providerName: "web_search",
  args: {
    external_web_access: Schema.optional(Schema.Boolean),
    search_content_types: Schema.optional(Schema.Array(Schema.Literal("text", "image"))),
    search_context_size: Schema.optional(Schema.Literal("low", "medium", "high")),
    filters: Schema.optional(Schema.Struct({ allowed_domains: Schema.optional(Schema.Array(Schema.String)) })),
    user_location: Schema.optional(
      Schema.Struct({
        type: Schema.Literal("approximate"),
        country: Schema.optional(Schema.String),
        region: Schema.optional(Schema.String),
        city: Schema.optional(Schema.String),
        timezone: Schema.optional(Schema.String)
      })
    )
  },
  parameters: {
    action: loose(
      Schema.Struct({
        type: Schema.String,
        query: loose(Schema.String),
        url: loose(Schema.String),
        pattern: loose(Schema.String)
      })
    )
  },
  success: Schema.Struct({ status: loose(Schema.String) })
})

/**
 * Image generation, run by the server. The images are `file` parts.
 *
 * @since 0.1.0
 * @category tools
 */
export const imageGeneration = Tool.providerDefined({
  id: ids.imageGeneration,
  toolkitName: "CodexImageGeneration",
  providerName: "image_generation",
  args: { output_format: Schema.optional(Schema.Literal("png", "jpeg", "webp")) },
  parameters: { revised_prompt: loose(Schema.String) },
  success: Schema.Struct({ status: loose(Schema.String) })
})

/**
 * Shell commands requested by the model. The handler runs or refuses them, and returns the output as text.
 *
 * @since 0.1.0
 * @category tools
 */
export const localShell = Tool.providerDefined({
  id: ids.localShell,
  toolkitName: "CodexLocalShell",
  providerName: "local_shell",
  requiresHandler: true,
  args: {},
  parameters: {
    command: Schema.Array(Schema.String),
    timeout_ms: loose(Schema.Number),
    working_directory: loose(Schema.String),
    user: loose(Schema.String)
  },
  success: Schema.String,
  failure: Schema.String
})

const CustomArgs = {
  description: Schema.optional(Schema.String),
  format: Schema.optional(
    Schema.Union(
      Schema.Struct({ type: Schema.Literal("text") }),
      Schema.Struct({
        type: Schema.Literal("grammar"),
        syntax: Schema.Literal("lark", "regex"),
        definition: Schema.String
      })
    )
  )
}

/**
 * A tool whose input is plain text instead of JSON, optionally constrained by a grammar. The handler receives `{ input
 * }` and returns the output as text.
 *
 * @since 0.1.0
 * @category tools
 * @example
 * ```ts
 * import { Toolkit } from "@effect/ai"
 * import { CodexTool } from "@effect-codex/ai"
 * import { Effect } from "effect"
 *
 * const toolkit = Toolkit.make(CodexTool.custom("sql", { description: "Runs one query in SQL." }))
 * const handlers = toolkit.toLayer({ sql: ({ input }) => Effect.succeed(`42 rows for ${input}`) })
 * ```
 */
export const custom = <const Name extends string, Mode extends Tool.FailureMode | undefined = undefined>(
  name: Name,
  options: Schema.Simplify<Schema.Struct.Encoded<typeof CustomArgs> & { readonly failureMode?: Mode }> = {}
) =>
  Tool.providerDefined({
    id: ids.custom,
    toolkitName: name,
    providerName: name,
    requiresHandler: true,
    args: CustomArgs,
    parameters: { input: Schema.String },
    success: Schema.String,
    failure: Schema.String
  })<Mode>(options)

/**
 * Whether the server enforces the schema of a tool's parameters; default `false`. The schema must be in the strict
 * subset (see `JsonSchema.strictFromSchema`); any other schema fails the request with `MalformedInput`.
 *
 * @since 0.1.0
 * @category annotations
 * @example
 * ```ts
 * import { Tool } from "@effect/ai"
 * import { CodexTool } from "@effect-codex/ai"
 * import { Schema } from "effect"
 *
 * const weather = Tool.make("weather", { parameters: { city: Schema.String } }).annotate(CodexTool.Strict, true)
 * ```
 */
export class Strict extends Context.Reference<Strict>()("@effect-codex/ai/CodexTool/Strict", {
  defaultValue: () => false
}) {}
