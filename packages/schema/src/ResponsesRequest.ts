/**
 * The body of `POST /codex/responses` (protocol C).
 *
 * Parameters the backend refuses (`temperature`, `max_output_tokens`, …; C.1) have no field here. `extra` of {@link
 * ResponsesRequest} bypasses the types; the server's errors about it are returned unchanged.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Item from "./Item.ts"
import * as Wire from "./internal/wire.ts"
import * as Origin from "./Origin.ts"
import * as ToolSpec from "./ToolSpec.ts"

/**
 * The reasoning effort. A model's levels are in its catalogue entry; other strings are allowed. `ultra` is client-side
 * only: see `Model.resolveEffort`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Effort = Wire.open("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")

/**
 * @since 0.1.0
 * @category models
 */
export type Effort = typeof Effort.Type

/**
 * The kind of reasoning summary; if absent, the model writes none (C.8).
 *
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningSummary = Wire.open("auto", "concise", "detailed")

/**
 * @since 0.1.0
 * @category models
 */
export type ReasoningSummary = typeof ReasoningSummary.Type

/**
 * The `reasoning` object (C.8). If absent, the server's defaults apply.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Reasoning = Wire.object({
  effort: Wire.optional(Effort),
  summary: Wire.optional(ReasoningSummary),
  context: Wire.optional(Wire.open("auto", "current_turn", "all_turns"))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Reasoning = typeof Reasoning.Type

/**
 * How detailed the answer should be, for models whose catalogue entry has `support_verbosity` (C.9).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Verbosity = Wire.open("low", "medium", "high")

/**
 * @since 0.1.0
 * @category models
 */
export type Verbosity = typeof Verbosity.Type

/**
 * The format of the answer: text, any JSON, or JSON of a given schema (C.9).
 *
 * @since 0.1.0
 * @category schemas
 */
export const TextFormat = Schema.Union(
  Wire.object({ type: Schema.Literal("text") }),
  Wire.object({ type: Schema.Literal("json_object") }),
  Wire.object({
    type: Schema.Literal("json_schema"),
    name: Schema.String,
    description: Wire.optional(Schema.String),
    strict: Wire.nullish(Schema.Boolean),
    schema: ToolSpec.JsonSchema
  })
)

/**
 * @since 0.1.0
 * @category models
 */
export type TextFormat = typeof TextFormat.Type

/**
 * The `text` object.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Text = Wire.object({ verbosity: Wire.optional(Verbosity), format: Wire.optional(TextFormat) })

/**
 * The two tiers the backend accepts (C.11); `priority` only for models whose catalogue entry lists it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ServiceTier = Schema.Literal("priority", "default")

/**
 * @since 0.1.0
 * @category models
 */
export type ServiceTier = typeof ServiceTier.Type

/**
 * The maximum length of `prompt_cache_key`.
 *
 * @since 0.1.0
 * @category configuration
 */
export const maxCacheKeyLength = 64

/** The keys of the body, in the order they are sent. */
const fields = {
  model: Schema.String,
  stream: Schema.Literal(true),
  service_tier: Wire.optional(ServiceTier),
  instructions: Schema.String,
  input: Schema.Array(Item.Item),
  tools: Wire.optional(Schema.Array(ToolSpec.ToolSpec)),
  tool_choice: Wire.optional(ToolSpec.ToolChoice),
  parallel_tool_calls: Wire.optional(Schema.Boolean),
  reasoning: Wire.optional(Reasoning),
  store: Schema.Literal(false),
  include: Schema.Array(Schema.String),
  prompt_cache_key: Wire.optional(Schema.String.pipe(Schema.maxLength(maxCacheKeyLength))),
  text: Wire.optional(Text),
  client_metadata: Wire.optional(Wire.record(Schema.String))
}

const order = Object.keys(fields) as ReadonlyArray<keyof typeof fields>

/**
 * The keys the library writes itself; `extra` may not contain them.
 *
 * @since 0.1.0
 * @category configuration
 */
export const ownKeys: ReadonlySet<string> = new Set(order)

const Body = Wire.object(fields)

const isExtra = (key: string): boolean => !ownKeys.has(key)

const Extra = Wire.recordOf(isExtra, "a key that is not a field of the request itself")

const Request = Schema.typeSchema(Schema.Struct({ ...fields, extra: Wire.optional(Extra) }))

/** Keys are always in the order of `fields`, followed by `extra` sorted by name. */
const toBody = ({ extra, ...request }: typeof Request.Type): typeof Body.Type => {
  const body: Record<string, unknown> = {}
  for (const key of order) {
    const value = key === "input" ? untagged(request.input) : request[key]
    if (value !== undefined) body[key] = value
  }
  if (extra === undefined) return body as typeof Body.Type
  const more = Object.entries(extra).filter(([key]) => isExtra(key))
  return { ...body, ...Object.fromEntries(more.sort(([a], [b]) => (a < b ? -1 : 1))) } as typeof Body.Type
}

/** Tags are client-side only and never sent. */
const untagged = (input: ReadonlyArray<Item.Item>): ReadonlyArray<Item.Item> =>
  input.some((item) => Origin.untag(item) !== item) ? input.map(Origin.untag) : input

/**
 * The body. Encoding merges `extra` into the JSON object; decoding collects unknown keys in `extra`. `stream`, `store`,
 * `instructions` and `include` are always present: the backend refuses or degrades requests without them.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ResponsesRequest = Wire.transformed(Body, Request, {
  decode: (body) => {
    const entries = Object.entries(body)
    const extra = entries.filter(([key]) => isExtra(key))
    const own = Object.fromEntries(entries.filter(([key]) => !isExtra(key))) as typeof Body.Type
    return extra.length === 0 ? own : { ...own, extra: Object.fromEntries(extra) }
  },
  encode: toBody
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ResponsesRequest extends Schema.Schema.Type<typeof ResponsesRequest> {}

/**
 * Options for {@link make}: all fields except the constant ones.
 *
 * @since 0.1.0
 * @category models
 */
export type Options = Omit<ResponsesRequest, "stream" | "store" | "include" | "instructions"> & {
  readonly instructions?: string
}

/**
 * Makes a body with the constant fields: `stream: true`, `store: false`, encrypted reasoning included, and
 * `instructions` (default `""`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): ResponsesRequest =>
  Object.assign({}, options, {
    stream: true as const,
    store: false as const,
    instructions: options.instructions ?? "",
    include: ["reasoning.encrypted_content"]
  })

/**
 * The JSON text to send. Keys are in a fixed order and items are unchanged except that `Origin` tags are removed. So
 * equal requests have equal bytes, which the server's prompt cache needs.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toJson = (request: ResponsesRequest): string => JSON.stringify(toBody(request))

const sampling = "sampling cannot be configured; set the reasoning effort or the verbosity instead"

/**
 * The parameters this backend refuses with `400 Unsupported parameter` (C.1), each with the alternative.
 *
 * @since 0.1.0
 * @category configuration
 */
export const refusedParameters: ReadonlyMap<string, string> = new Map([
  ["temperature", sampling],
  ["top_p", sampling],
  ["presence_penalty", sampling],
  ["frequency_penalty", sampling],
  ["seed", sampling],
  ["top_logprobs", "the backend returns no probabilities"],
  ["max_output_tokens", "the backend cannot limit the output; set a lower verbosity, or stop reading early"],
  ["truncation", "the backend does not shorten the input; compact or shorten the history before sending it"],
  ["context_management", "the backend does not compact automatically; send a compaction request"],
  ["metadata", "the backend stores nothing to attach it to"],
  ["user", "the account is known from the login"],
  ["safety_identifier", "the account is known from the login"],
  ["prompt_cache_retention", "only prompt_cache_key controls the cache"]
])
