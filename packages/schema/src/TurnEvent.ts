/**
 * The events of a turn: what the wire states several times (delta, done, item, terminal output) comes here once.
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
 * The request was changed so that the backend accepts it: a history with loose ends, a level the model lacks. Comes
 * before everything else, and only if there was something to change.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RequestRepaired = Schema.TaggedStruct("RequestRepaired", { repairs: Schema.Array(Repair.Repair) })

/**
 * The server has started the response. Comes at most once, before the output; some servers leave it out.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TurnStarted = Schema.TaggedStruct("TurnStarted", {
  responseId: Wire.optional(Schema.String),
  model: Wire.optional(Schema.String)
})

/**
 * More text of the answer. All deltas joined are the turn's text.
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
 * More of the reasoning: `kind` separates the summary from raw reasoning text, `part` is the index of the summary part or
 * content part. A new `part` starts a new paragraph.
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
 * More of a refusal.
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
 * The model began to write a tool call; its arguments follow.
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
 * More of a tool call's arguments.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallDelta = Schema.TaggedStruct("ToolCallDelta", {
  outputIndex: Wire.count,
  delta: Schema.String
})

/**
 * A tool call is complete. It may be carried out only once {@link TurnCompleted} lists it among `turn.toolCalls`: a
 * turn that breaks later takes its calls with it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallCompleted = Schema.TaggedStruct("ToolCallCompleted", {
  outputIndex: Wire.count,
  call: Turn.ToolCall
})

/**
 * A tool call came a second time: under another item id, at another place or with other arguments, but with the
 * `call_id` of a call that is complete already. A call is carried out at most once, so this one is never among
 * `turn.toolCalls` nor among `turn.items`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallRepeated = Schema.TaggedStruct("ToolCallRepeated", {
  outputIndex: Wire.count,
  call: Turn.ToolCall
})

/**
 * Progress of a tool that the server runs: `tool` is the item type (`web_search_call`, …), `stage` the last word of the
 * event (`in_progress`, `searching`, `completed`, `delta`, …), `delta` the piece it brings: code, arguments, a diff, the
 * output of a shell (`channel` is `stdout` or `stderr`), or a preview of an image in base64.
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
 * An output item is finished: as the server sent it, with what its deltas had shown and it leaves out.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ItemCompleted = Schema.TaggedStruct("ItemCompleted", {
  outputIndex: Wire.count,
  item: Turn.OutputItem
})

/**
 * What the turn cost.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UsageReported = Schema.TaggedStruct("UsageReported", { usage: Usage.Usage })

/**
 * How much of the plan's limits is used: everything known of it after the event.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RateLimitsUpdated = Schema.TaggedStruct("RateLimitsUpdated", { rateLimits: RateLimits.RateLimits })

/**
 * An event of a type this library does not know, as it came.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UnknownEvent = Schema.TaggedStruct("UnknownEvent", { type: Schema.String, raw: Schema.Unknown })

/**
 * The attempt before broke and is superseded: drop everything shown since the turn began. `attempt` is the number of
 * the one that starts now (the first is 1), `reason` the tag of the error, `delayMillis` how long the client waited.
 * `kept` are the finished items the new attempt continues from, if that was asked for; they are part of the turn.
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
 * The turn is over; the last event.
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
