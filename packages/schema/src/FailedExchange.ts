/**
 * A failed exchange with the backend, without its secrets and texts: what to look at, and what to put into a bug report.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"

/**
 * What a request looked like: its settings, and kinds and lengths where there were texts.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RequestOutline = Schema.Struct({
  model: Schema.String,
  effort: Wire.optional(Schema.String),
  summary: Wire.optional(Schema.String),
  verbosity: Wire.optional(Schema.String),
  format: Wire.optional(Schema.String),
  serviceTier: Wire.optional(Schema.String),
  instructionsLength: Wire.count,
  /** Kind and length of the JSON of each input item, in order; the first 200. */
  input: Schema.Array(Schema.String),
  inputCount: Wire.count,
  /** Kind and name of each tool; the first 100. */
  tools: Schema.Array(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface RequestOutline extends Schema.Schema.Type<typeof RequestOutline> {}

/**
 * The exchange: the outline of the request, and the text of the response without secrets, at most 16,384 characters.
 * `error` is the tag of the error it ended with, `at` the time in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FailedExchange = Schema.Struct({
  provider: Schema.Literal("openai-codex"),
  error: Schema.String,
  model: Wire.optional(Schema.String),
  status: Wire.optional(Schema.Number),
  requestId: Wire.optional(Schema.String),
  cfRay: Wire.optional(Schema.String),
  responseId: Wire.optional(Schema.String),
  request: Wire.optional(RequestOutline),
  response: Wire.optional(Schema.String),
  at: Schema.Number
})

/**
 * @since 0.1.0
 * @category models
 */
export interface FailedExchange extends Schema.Schema.Type<typeof FailedExchange> {}
