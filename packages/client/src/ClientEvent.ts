/**
 * The events of a turn that are safe to send to a browser.
 *
 * Turn events contain data that must not leave the server: encrypted reasoning, the routing token, the limits of the
 * account, request ids. A {@link ClientEvent} contains only what can be shown. Both sides can use this module: the
 * server creates the events and writes them as server-sent events, and the browser decodes them with the schema.
 *
 * @since 0.1.0
 */
import { type Failure, Turn, Usage } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { LoopEvent } from "./ToolLoop.ts"

/** The position of a delta. Deltas with the same position form one text. */
const place = { outputIndex: Schema.Number, part: Schema.Number }

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/**
 * A delta of the answer.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Text = Schema.TaggedStruct("Text", { ...place, delta: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export interface Text extends Schema.Schema.Type<typeof Text> {}

/**
 * A delta of the reasoning summary.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Reasoning = Schema.TaggedStruct("Reasoning", { ...place, delta: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export interface Reasoning extends Schema.Schema.Type<typeof Reasoning> {}

/**
 * A delta of a refusal.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Refusal = Schema.TaggedStruct("Refusal", { ...place, delta: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export interface Refusal extends Schema.Schema.Type<typeof Refusal> {}

/**
 * The model calls a tool. The arguments stay on the server.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCall = Schema.TaggedStruct("ToolCall", { callId: Schema.String, name: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolCall extends Schema.Schema.Type<typeof ToolCall> {}

/**
 * Whether a call succeeded. Its output stays on the server.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolResult = Schema.TaggedStruct("ToolResult", {
  callId: Schema.String,
  name: Schema.String,
  succeeded: Schema.Boolean
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolResult extends Schema.Schema.Type<typeof ToolResult> {}

/**
 * Discard everything shown since the last `Completed`, or since the beginning.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Restarted = Schema.TaggedStruct("Restarted", { attempt: Schema.Number })

/**
 * @since 0.1.0
 * @category models
 */
export interface Restarted extends Schema.Schema.Type<typeof Restarted> {}

/**
 * One turn is complete, and `text` is its whole text. More turns follow while the model calls tools.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Completed = Schema.TaggedStruct("Completed", {
  status: Turn.Turn.fields.status,
  text: Schema.String,
  refusal: optional(Schema.String),
  incompleteReason: optional(Schema.String),
  usage: optional(Usage.Usage)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Completed extends Schema.Schema.Type<typeof Completed> {}

/**
 * The last event of a failed stream. `reason` is the tag of the error.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Failed = Schema.TaggedStruct("Failed", {
  reason: Schema.String,
  group: Schema.Literal("request", "account", "later"),
  retryAfterMillis: optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Failed extends Schema.Schema.Type<typeof Failed> {}

/**
 * One event for a browser.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ClientEvent = Schema.Union(Text, Reasoning, Refusal, ToolCall, ToolResult, Restarted, Completed, Failed)

/**
 * @since 0.1.0
 * @category models
 */
export type ClientEvent = Text | Reasoning | Refusal | ToolCall | ToolResult | Restarted | Completed | Failed

/**
 * Converts an event for the browser. `None` if the event has nothing to show.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEvent = (event: LoopEvent<unknown>): Option.Option<ClientEvent> => {
  switch (event._tag) {
    case "TextDelta":
    case "RefusalDelta": {
      const { contentIndex: part, delta, outputIndex } = event
      return Option.some({ _tag: event._tag === "TextDelta" ? "Text" : "Refusal", outputIndex, part, delta })
    }
    case "ReasoningDelta": {
      const { delta, outputIndex, part } = event
      return Option.some({ _tag: "Reasoning", outputIndex, part, delta })
    }
    case "ToolCallCompleted":
      return Option.some({ _tag: "ToolCall", callId: event.call.callId, name: event.call.name })
    case "ToolSucceeded":
    case "ToolFailed": {
      const { callId, name } = event.call
      return Option.some({ _tag: "ToolResult", callId, name, succeeded: event._tag === "ToolSucceeded" })
    }
    case "TurnRestarted":
      return Option.some({ _tag: "Restarted", attempt: event.attempt })
    case "TurnCompleted": {
      const { incompleteReason, refusal, status, text, usage } = event.turn
      return Option.some({
        _tag: "Completed",
        status,
        text,
        ...(refusal !== undefined && { refusal }),
        ...(incompleteReason !== undefined && { incompleteReason }),
        ...(usage !== undefined && { usage })
      })
    }
    default:
      return Option.none()
  }
}

/**
 * Converts an error for the browser. The message is left out because it can name accounts and limits.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromError = ({ _tag, group, retryAfterMillis }: Failure.Failure): ClientEvent => ({
  _tag: "Failed",
  reason: _tag,
  group,
  ...(retryAfterMillis !== undefined && { retryAfterMillis })
})

/**
 * Encodes an event as a server-sent event. The event name is the tag.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { ClientEvent } from "effect-codex"
 *
 * ClientEvent.toSse({ _tag: "Text", outputIndex: 0, part: 0, delta: "Hi" })
 * // event: Text
 * // data: {"_tag":"Text","outputIndex":0,"part":0,"delta":"Hi"}
 * ```
 */
export const toSse = (event: ClientEvent): string => `event: ${event._tag}\ndata: ${JSON.stringify(event)}\n\n`

/**
 * The body of a `text/event-stream` response. A failure becomes the last event, so that the browser can tell it from a
 * lost connection. When the browser disconnects, the server interrupts the stream, which interrupts the turn and the
 * running tools.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toBody = <E extends Failure.Failure, R>(
  events: Stream.Stream<LoopEvent<unknown>, E, R>
): Stream.Stream<Uint8Array, never, R> =>
  events.pipe(
    Stream.filterMap(fromEvent),
    Stream.catchAll((error) =>
      Stream.fromEffect(Effect.as(Effect.logWarning("A turn for a browser failed.", error), fromError(error)))
    ),
    Stream.map(toSse),
    Stream.encodeText
  )
