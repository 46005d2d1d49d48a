/**
 * A failed exchange with the backend, without secrets and user content, for debugging and bug reports.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"

/**
 * The outline of a request: its settings, and only types and lengths of its content.
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
  /** Type and JSON length of the first 200 input items, in order. */
  input: Schema.Array(Schema.String),
  inputCount: Wire.count,
  /** Type and name of the first 100 tools. */
  tools: Schema.Array(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface RequestOutline extends Schema.Schema.Type<typeof RequestOutline> {}

/**
 * The outline of the request, and the text of the response with secrets redacted, at most 16,384 characters. `error` is
 * the tag of the resulting error, `at` the time in milliseconds since 1970.
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
