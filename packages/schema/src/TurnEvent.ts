/**
 * The events of a turn. Output that the wire repeats (delta, done, item, terminal output) is emitted once.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"
import * as RateLimits from "./RateLimits.ts"
import * as Repair from "./Repair.ts"
import * as Turn from "./Turn.ts"
import * as Usage from "./Usage.ts"

/**
 * The request was changed so that the backend accepts it, for example a call without an output, or an effort the model
 * does not support. Always the first event, and only emitted if something changed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RequestRepaired = Schema.TaggedStruct("RequestRepaired", { repairs: Schema.Array(Repair.Repair) })

/**
 * The server has started the response. Emitted at most once, before the output; some servers omit it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TurnStarted = Schema.TaggedStruct("TurnStarted", {
  responseId: Wire.optional(Schema.String),
  model: Wire.optional(Schema.String)
})

/**
 * A delta of the answer's text. All deltas joined are the turn's text.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TextDelta = Schema.TaggedStruct("TextDelta", {
  outputIndex: Wire.count,
  contentIndex: Wire.count,
  delta: Schema.String
})

/**
 * A delta of the reasoning: `kind` distinguishes the summary from raw reasoning text, `part` is the index of the
 * summary part or content part. A new `part` starts a new paragraph.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningDelta = Schema.TaggedStruct("ReasoningDelta", {
  outputIndex: Wire.count,
  kind: Schema.Literal("summary", "content"),
  part: Wire.count,
  delta: Schema.String
})

/**
 * A delta of a refusal.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RefusalDelta = Schema.TaggedStruct("RefusalDelta", {
  outputIndex: Wire.count,
  contentIndex: Wire.count,
  delta: Schema.String
})

/**
 * The model has started a tool call; its arguments follow.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallStarted = Schema.TaggedStruct("ToolCallStarted", {
  outputIndex: Wire.count,
  callId: Schema.String,
  name: Schema.String
})

/**
 * A delta of a tool call's arguments.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallDelta = Schema.TaggedStruct("ToolCallDelta", {
  outputIndex: Wire.count,
  delta: Schema.String
})

/**
 * A tool call is complete. Execute it only after {@link TurnCompleted} lists it in `turn.toolCalls`: if the turn fails
 * later, its calls are abandoned.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallCompleted = Schema.TaggedStruct("ToolCallCompleted", {
  outputIndex: Wire.count,
  call: Turn.ToolCall
})

/**
 * A duplicate tool call: another item id, output index or other arguments, but the `call_id` of a call that is already
 * complete. A call is executed at most once, so the duplicate is never in `turn.toolCalls` or `turn.items`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallRepeated = Schema.TaggedStruct("ToolCallRepeated", {
  outputIndex: Wire.count,
  call: Turn.ToolCall
})

/**
 * Progress of a hosted tool: `tool` is the item type (`web_search_call`, …), `stage` the last part of the event type
 * (`in_progress`, `searching`, `completed`, `delta`, …), `delta` a chunk of its content: code, arguments, a diff, shell
 * output (`channel` is `stdout` or `stderr`), or an image preview in base64.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HostedToolProgress = Schema.TaggedStruct("HostedToolProgress", {
  outputIndex: Wire.count,
  tool: Schema.String,
  stage: Schema.String,
  delta: Wire.optional(Schema.String),
  channel: Wire.optional(Schema.Literal("stdout", "stderr"))
})

/**
 * An output item is finished. It is as the server sent it, plus streamed text that it lacks.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ItemCompleted = Schema.TaggedStruct("ItemCompleted", {
  outputIndex: Wire.count,
  item: Turn.OutputItem
})

/**
 * The token usage of the turn.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UsageReported = Schema.TaggedStruct("UsageReported", { usage: Usage.Usage })

/**
 * The usage of the plan's limits: the latest merged snapshot.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RateLimitsUpdated = Schema.TaggedStruct("RateLimitsUpdated", { rateLimits: RateLimits.RateLimits })

/**
 * An event of an unknown type, unchanged.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UnknownEvent = Schema.TaggedStruct("UnknownEvent", { type: Schema.String, raw: Schema.Unknown })

/**
 * The previous attempt failed and a new one starts: discard all output shown since the start of the turn. `attempt` is
 * the number of the new attempt (the first is 1), `reason` the tag of the error, `delayMillis` the delay before the
 * retry. `kept` are the finished items the new attempt continues from, if that is enabled; they are part of the turn.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TurnRestarted = Schema.TaggedStruct("TurnRestarted", {
  attempt: Wire.count,
  reason: Schema.String,
  message: Schema.String,
  delayMillis: Schema.Number,
  kept: Schema.Array(Turn.OutputItem)
})

/**
 * The turn is complete; always the last event.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TurnCompleted = Schema.TaggedStruct("TurnCompleted", { turn: Turn.Turn })

/**
 * An event as JSON.
 *
 * @since 0.1.0
 * @category models
 */
export interface Encoded {
  readonly _tag: string
  readonly [key: string]: unknown
}

/**
 * Every event of one attempt of a turn.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TurnEvent = Schema.Union(
  RequestRepaired,
  TurnStarted,
  TextDelta,
  ReasoningDelta,
  RefusalDelta,
  ToolCallStarted,
  ToolCallDelta,
  ToolCallCompleted,
  ToolCallRepeated,
  HostedToolProgress,
  ItemCompleted,
  UsageReported,
  RateLimitsUpdated,
  UnknownEvent,
  TurnCompleted
) as Schema.Schema<TurnEvent, unknown> as Schema.Schema<TurnEvent, Encoded>

/**
 * @since 0.1.0
 * @category models
 */
export type TurnEvent =
  | RequestRepaired
  | TurnStarted
  | TextDelta
  | ReasoningDelta
  | RefusalDelta
  | ToolCallStarted
  | ToolCallDelta
  | ToolCallCompleted
  | ToolCallRepeated
  | HostedToolProgress
  | ItemCompleted
  | UsageReported
  | RateLimitsUpdated
  | UnknownEvent
  | TurnCompleted

/**
 * @since 0.1.0
 * @category models
 */
export interface TurnRestarted extends Schema.Schema.Type<typeof TurnRestarted> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface TurnCompleted extends Schema.Schema.Type<typeof TurnCompleted> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface TextDelta extends Schema.Schema.Type<typeof TextDelta> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface RequestRepaired extends Schema.Schema.Type<typeof RequestRepaired> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface TurnStarted extends Schema.Schema.Type<typeof TurnStarted> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ReasoningDelta extends Schema.Schema.Type<typeof ReasoningDelta> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface RefusalDelta extends Schema.Schema.Type<typeof RefusalDelta> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolCallStarted extends Schema.Schema.Type<typeof ToolCallStarted> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolCallDelta extends Schema.Schema.Type<typeof ToolCallDelta> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolCallCompleted extends Schema.Schema.Type<typeof ToolCallCompleted> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolCallRepeated extends Schema.Schema.Type<typeof ToolCallRepeated> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface HostedToolProgress extends Schema.Schema.Type<typeof HostedToolProgress> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ItemCompleted extends Schema.Schema.Type<typeof ItemCompleted> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface UsageReported extends Schema.Schema.Type<typeof UsageReported> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface RateLimitsUpdated extends Schema.Schema.Type<typeof RateLimitsUpdated> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface UnknownEvent extends Schema.Schema.Type<typeof UnknownEvent> {}
