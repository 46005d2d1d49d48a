/**
 * The wire form of a request's tools (protocol C.6) and of the tool choice (C.7).
 *
 * `Tool` derives the spec from an Effect `Schema`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { UnknownType } from "./Item.ts"
import * as Names from "./internal/names.ts"
import * as Wire from "./internal/wire.ts"

/**
 * A JSON Schema, as an object.
 *
 * @since 0.1.0
 * @category schemas
 */
export const JsonSchema = Wire.record(Schema.Unknown)

/**
 * @since 0.1.0
 * @category models
 */
export type JsonSchema = typeof JsonSchema.Type

/**
 * A function run by the caller. `parameters` is a JSON Schema. It is sent unchanged if the server accepts it, otherwise
 * in the nearest accepted form ({@link normalize}). With `strict: true` it must be in the strict subset (closed
 * objects, all properties required). `defer_loading` hides the tool until a tool search finds it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FunctionTool = Wire.object({
  type: Schema.Literal("function"),
  name: Schema.String,
  description: Wire.nullish(Schema.String),
  strict: Wire.nullish(Schema.Boolean),
  parameters: Wire.nullish(JsonSchema),
  defer_loading: Wire.optional(Schema.Boolean)
})

/**
 * A tool whose input is plain text, optionally constrained by a grammar (`lark` or `regex`).
 *
 * @since 0.1.0
 * @category schemas
 */
export const CustomTool = Wire.object({
  type: Schema.Literal("custom"),
  name: Schema.String,
  description: Wire.nullish(Schema.String),
  format: Wire.optional(
    Schema.Union(
      Wire.object({ type: Schema.Literal("text") }),
      Wire.object({
        type: Schema.Literal("grammar"),
        syntax: Schema.Literal("lark", "regex"),
        definition: Schema.String
      })
    )
  ),
  defer_loading: Wire.optional(Schema.Boolean)
})

/**
 * Tools grouped under a namespace. Their calls have `namespace` and `name`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const NamespaceTool = Wire.object({
  type: Schema.Literal("namespace"),
  name: Schema.String,
  description: Wire.nullish(Schema.String),
  tools: Schema.Array(Schema.Union(FunctionTool, CustomTool))
})

/**
 * Lets the model search for deferred tools; with `execution: "client"` the caller runs the search.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolSearchTool = Wire.object({
  type: Schema.Literal("tool_search"),
  execution: Wire.optional(Schema.Literal("client", "server")),
  description: Wire.nullish(Schema.String),
  parameters: Wire.nullish(JsonSchema)
})

/**
 * Web search, run by the server. `external_web_access: false` uses only its cached index.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WebSearchTool = Wire.object({
  type: Schema.Literal("web_search"),
  external_web_access: Wire.optional(Schema.Boolean),
  search_content_types: Wire.optional(Schema.Array(Wire.open("text", "image"))),
  search_context_size: Wire.optional(Wire.open("low", "medium", "high")),
  filters: Wire.nullish(Wire.object({ allowed_domains: Wire.nullish(Schema.Array(Schema.String)) })),
  user_location: Wire.nullish(
    Wire.object({
      type: Schema.Literal("approximate"),
      country: Wire.nullish(Schema.String),
      region: Wire.nullish(Schema.String),
      city: Wire.nullish(Schema.String),
      timezone: Wire.nullish(Schema.String)
    })
  )
})

/**
 * Image generation, run by the server.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ImageGenerationTool = Wire.object({
  type: Schema.Literal("image_generation"),
  output_format: Wire.optional(Wire.open("png", "jpeg", "webp"))
})

/**
 * Shell commands, run by the caller.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LocalShellTool = Wire.object({ type: Schema.Literal("local_shell") })

const members = [
  FunctionTool,
  CustomTool,
  NamespaceTool,
  ToolSearchTool,
  WebSearchTool,
  ImageGenerationTool,
  LocalShellTool
] as const

const knownTypes: ReadonlySet<string> = new Set(members.flatMap((member) => member.fields.type.literals))

/**
 * A tool of a type this library does not know; see {@link other}.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UnknownTool = Wire.object({
  type: Wire.otherThan(knownTypes, "a known type with fields that do not fit it") as unknown as Schema.Schema<
    UnknownType,
    string
  >
})

/**
 * Any tool of a request.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolSpec = Schema.Union(...members, UnknownTool)

/**
 * @since 0.1.0
 * @category models
 */
export type ToolSpec = typeof ToolSpec.Type

/**
 * @since 0.1.0
 * @category models
 */
export type FunctionTool = typeof FunctionTool.Type

/**
 * @since 0.1.0
 * @category models
 */
export type CustomTool = typeof CustomTool.Type

/**
 * A hosted tool unknown to this library, sent unchanged.
 *
 * @since 0.1.0
 * @category constructors
 */
export const other = (tool: { readonly type: string; readonly [key: string]: unknown }): ToolSpec => tool as ToolSpec

/**
 * Whether the server accepts this tool name (protocol C.6).
 *
 * @since 0.1.0
 * @category guards
 */
export const isName: (name: string) => boolean = Names.isLegal

/**
 * The error message for names that {@link isName} rejects.
 *
 * @since 0.1.0
 * @category guards
 */
export const nameRule = "Its name is not allowed: use 1 to 64 of the characters a-z, A-Z, 0-9, _ and -."

/**
 * The tool's name, if any.
 *
 * @since 0.1.0
 * @category combinators
 */
export const name = (tool: ToolSpec): string | undefined =>
  tool.type === "function" || tool.type === "custom" || tool.type === "namespace" ? tool.name : undefined

/**
 * Which tools the model may or must call: `auto` lets the model decide, `none` forbids calls, `required` requires a
 * call of any tool, an object requires one tool or allows a subset.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolChoice = Schema.Union(
  Schema.Literal("auto", "none", "required"),
  Wire.object({ type: Schema.Literal("function"), name: Schema.String }),
  Wire.object({ type: Schema.Literal("custom"), name: Schema.String }),
  Wire.object({
    type: Schema.Literal("allowed_tools"),
    mode: Schema.Literal("auto", "required"),
    tools: Schema.Array(Wire.object({ type: Schema.String, name: Wire.optional(Schema.String) }))
  }),
  Wire.object({ type: Schema.Literal("web_search", "image_generation") })
)

/**
 * @since 0.1.0
 * @category models
 */
export type ToolChoice = typeof ToolChoice.Type
