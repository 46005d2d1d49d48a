/**
 * What can be wrong with a stream that began well.
 *
 * @since 0.1.0
 */
import { ServiceError } from "@effect-codex/schema"
import * as Schema from "effect/Schema"

/**
 * Errors are made from values this package has checked itself; checking a long turn again would cost more than the turn.
 *
 * @internal
 */
export const trusted = { disableValidation: true } as const

/**
 * The stream ended before its terminal event (protocol D.5): the connection was closed, or the body was no event
 * stream at all. `bytes` and `events` tell how far it came; `partial` holds what had arrived.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamTruncated extends Schema.TaggedError<StreamTruncated>("@effect-codex/stream/StreamTruncated")(
  "StreamTruncated",
  {
    ...ServiceError.failureFields,
    bytes: Schema.Number,
    events: Schema.Number,
    lastEventType: Schema.optionalWith(Schema.String, { exact: true })
  }
) {
  readonly isRetryable = true
  readonly retryAfter = undefined
  override get message(): string {
    const seen =
      this.events === 0
        ? this.bytes === 0
          ? "The response body was empty"
          : `The response body (${this.bytes} bytes) held no event`
        : `The stream ended after ${this.events} events (the last one ${this.lastEventType ?? "unnamed"}) without its terminal event`
    return ServiceError.describe(`${seen}; the turn is not complete, try again.`, this)
  }
}

/**
 * The stream holds bytes that are no UTF-8; `offset` is where, in bytes from its start. Something between the server
 * and this program damages the data.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidUtf8 extends Schema.TaggedError<InvalidUtf8>("@effect-codex/stream/InvalidUtf8")("InvalidUtf8", {
  ...ServiceError.failureFields,
  offset: Schema.Number
}) {
  readonly isRetryable = true
  readonly retryAfter = undefined
  override get message(): string {
    return ServiceError.describe(
      `The stream is no UTF-8 at byte ${this.offset}; it was damaged on its way, try again.`,
      this
    )
  }
}

/**
 * One event is larger than the bound, `limit` characters. Raise the bound if the event is wanted.
 *
 * @since 0.1.0
 * @category errors
 */
export class EventTooLarge extends Schema.TaggedError<EventTooLarge>("@effect-codex/stream/EventTooLarge")(
  "EventTooLarge",
  { ...ServiceError.failureFields, limit: Schema.Number }
) {
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message(): string {
    return ServiceError.describe(
      `One event is larger than ${this.limit} characters; raise maxEventSize to accept it.`,
      this
    )
  }
}

/**
 * An event that claims to end the turn cannot be read, so that nobody can tell how the turn ended.
 *
 * @since 0.1.0
 * @category errors
 */
export class MalformedEvent extends Schema.TaggedError<MalformedEvent>("@effect-codex/stream/MalformedEvent")(
  "MalformedEvent",
  { ...ServiceError.failureFields, type: Schema.String }
) {
  readonly isRetryable = true
  readonly retryAfter = undefined
  override get message(): string {
    return ServiceError.describe(`The event ${this.type} that ends the turn cannot be read; try again.`, this)
  }
}

/**
 * Everything a stream can fail with: what this package finds, and what the backend states inside the stream.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StreamError = Schema.Union(
  StreamTruncated,
  InvalidUtf8,
  EventTooLarge,
  MalformedEvent,
  ServiceError.ServiceError
)

/**
 * @since 0.1.0
 * @category errors
 */
export type StreamError = typeof StreamError.Type
