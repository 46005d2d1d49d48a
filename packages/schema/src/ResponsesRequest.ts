/**
 * The body of `POST /codex/responses` (protocol C).
 *
 * What the backend refuses (`temperature`, `max_output_tokens`, …; C.1) has no field here. {@link ResponsesRequest}'s
 * `extra` is the one way past the types; what the server says to it comes back as it is.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Item from "./Item.ts"
import * as Wire from "./internal/wire.ts"
import * as Origin from "./Origin.ts"
import * as ToolSpec from "./ToolSpec.ts"

/**
 * The reasoning effort. The levels of a model are in its catalogue entry; the set is open. `ultra` exists only on the
 * caller's side: see `Model.resolveEffort`.
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
 * The kind of reasoning summary the model writes; without it, none (C.8).
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
 * The `reasoning` object (C.8). Left out, the server's defaults hold.
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
 * How long the answer should be; for models whose catalogue entry has `support_verbosity` (C.9).
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
 * The form of the answer: text, any JSON, or JSON of one schema (C.9).
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
 * The longest `prompt_cache_key` the backend takes.
 *
 * @since 0.1.0
 * @category configuration
 */
export const maxCacheKeyLength = 64

/** The keys of the body, in the order they are written. */
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
 * The keys the library writes itself, which `extra` may therefore not hold.
 *
 * @since 0.1.0
 * @category configuration
 */
export const ownKeys: ReadonlySet<string> = new Set(order)

const Body = Wire.object(fields)

const isExtra = (key: string): boolean => !ownKeys.has(key)

const Extra = Wire.recordOf(isExtra, "a key that is not a field of the request itself")

const Request = Schema.typeSchema(Schema.Struct({ ...fields, extra: Wire.optional(Extra) }))

/** In the order of `fields`, whatever the order the request was made in; then `extra`, by name. */
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

/** Tags are for the client alone and never travel. */
const untagged = (input: ReadonlyArray<Item.Item>): ReadonlyArray<Item.Item> =>
  input.some((item) => Origin.untag(item) !== item) ? input.map(Origin.untag) : input

/**
 * The body. Encoding gives the JSON object of the wire, with `extra` merged into it; decoding puts keys that are not
 * known here into `extra`. `stream`, `store`, `instructions` and `include` are always there: the backend refuses or
 * degrades requests without them.
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
 * What {@link make} needs: everything that is not the same in every request.
 *
 * @since 0.1.0
 * @category models
 */
export type Options = Omit<ResponsesRequest, "stream" | "store" | "include" | "instructions"> & {
  readonly instructions?: string
}

/**
 * A body with its constant parts filled in: `stream: true`, `store: false`, encrypted reasoning asked for, and
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
 * The JSON text to send. Keys are written in one fixed order and items as they are, without the tags of `Origin`: equal
 * requests are equal bytes, which the server finds in its prompt cache.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toJson = (request: ResponsesRequest): string => JSON.stringify(toBody(request))

const sampling = "the models sample by themselves; set the reasoning effort or the verbosity instead"

/**
 * The parameters this backend refuses with `400 Unsupported parameter` (C.1), each with what there is instead.
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
  ["top_logprobs", "the backend gives no probabilities"],
  [
    "max_output_tokens",
    "the backend has no cap on the answer; set a lower verbosity, or stop reading when it is enough"
  ],
  ["truncation", "the backend does not shorten the input; compact or cut the history before sending it"],
  ["context_management", "the backend does not compact by itself; send a compaction request"],
  ["metadata", "the backend stores nothing to attach it to"],
  ["user", "the account is known from the login"],
  ["safety_identifier", "the account is known from the login"],
  ["prompt_cache_retention", "only prompt_cache_key steers the cache"]
])
