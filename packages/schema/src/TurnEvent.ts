/**
 * The events of a turn, as a person wants them: what the wire says in many ways is said here once.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Item from "./Item.ts"
import * as Wire from "./internal/wire.ts"
import * as RateLimits from "./RateLimits.ts"
import * as Turn from "./Turn.ts"
import * as TurnRequest from "./TurnRequest.ts"
import * as Usage from "./Usage.ts"

/**
 * The request was changed so that the backend accepts it: a history with loose ends, a level the model lacks. Comes
 * before everything else, and only if there was something to change.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RequestRepaired = Schema.TaggedStruct("RequestRepaired", { repairs: Schema.Array(TurnRequest.Repair) })

/**
 * The server took the request up. Comes once, before the output; a server that announces nothing leaves it out.
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
 * More of the reasoning: `kind` tells the summary from raw reasoning text, `part` is the index of the summary part or
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
 * A tool call stands whole. It may be carried out only once {@link TurnCompleted} lists it among `turn.toolCalls`: a
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
 * News of a tool the server runs itself: `tool` is the item type (`web_search_call`, …), `stage` the last word of the
 * event (`in_progress`, `searching`, `completed`, `delta`, …), `delta` the piece it brings: code, arguments, a diff, or
 * a preview of an image in base64.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HostedToolProgress = Schema.TaggedStruct("HostedToolProgress", {
  outputIndex: Wire.count,
  tool: Schema.String,
  stage: Schema.String,
  delta: Wire.optional(Schema.String)
})

/**
 * An output item is finished, verbatim.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ItemCompleted = Schema.TaggedStruct("ItemCompleted", {
  outputIndex: Wire.count,
  item: Item.Item
})

/**
 * What the turn cost.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UsageReported = Schema.TaggedStruct("UsageReported", { usage: Usage.Usage })

/**
 * The server told how much of the plan's limits is used.
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
 * the one that starts now (the first is 1), `reason` the tag of the error, `delayMillis` how long was waited. `kept`
 * are the finished items the new attempt goes on from, if that was asked for; they are part of the turn.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TurnRestarted = Schema.TaggedStruct("TurnRestarted", {
  attempt: Wire.count,
  reason: Schema.String,
  message: Schema.String,
  delayMillis: Schema.Number,
  kept: Schema.Array(Item.Item)
})

/**
 * The turn is over; the last event.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TurnCompleted = Schema.TaggedStruct("TurnCompleted", { turn: Turn.Turn })

/**
 * Everything the decoder can say about one attempt of a turn.
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
  HostedToolProgress,
  ItemCompleted,
  UsageReported,
  RateLimitsUpdated,
  UnknownEvent,
  TurnCompleted
)

/**
 * @since 0.1.0
 * @category models
 */
export type TurnEvent = typeof TurnEvent.Type

/**
 * @since 0.1.0
 * @category models
 */
export type TurnRestarted = typeof TurnRestarted.Type

/**
 * @since 0.1.0
 * @category models
 */
export type TurnCompleted = typeof TurnCompleted.Type

/**
 * @since 0.1.0
 * @category models
 */
export type TextDelta = typeof TextDelta.Type
