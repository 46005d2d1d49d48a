/**
 * Errors that occur after a stream has started.
 *
 * @since 0.1.0
 */
import { Failure, ServiceError } from "@effect-codex/schema"
import * as Schema from "effect/Schema"

/**
 * The stream ended before its terminal event (protocol D.5): the connection was closed, or the body was not an event
 * stream. `bytes` and `events` count the received data; `partial` holds the output.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamTruncated extends Failure.Class<StreamTruncated>("@effect-codex/stream/StreamTruncated")(
  "StreamTruncated",
  {
    bytes: Schema.Number,
    events: Schema.Number,
    lastEventType: Schema.optionalWith(Schema.String, { exact: true })
  }
) {
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    const seen =
      this.events === 0
        ? this.bytes === 0
          ? "The response body was empty"
          : `The response body (${this.bytes} bytes) held no event`
        : `The stream ended after event ${this.events} (${this.lastEventType ?? "unnamed"}), without its terminal event`
    return Failure.describe(`${seen}; the turn is not complete, try again.`, this)
  }
}

/**
 * The stream has invalid UTF-8 at byte `offset`. The data was damaged in transit.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidUtf8 extends Failure.Class<InvalidUtf8>("@effect-codex/stream/InvalidUtf8")("InvalidUtf8", {
  offset: Schema.Number
}) {
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    return Failure.describe(
      `The stream has invalid UTF-8 at byte ${this.offset} (damaged in transit); try again.`,
      this
    )
  }
}

/**
 * An event cannot be decoded.
 *
 * - `tooLarge`: one event is larger than `limit` characters (`maxEventSize`).
 * - `turnTooLarge`: the whole turn is larger than `limit` bytes (`maxTurnSize`), or has more than `limit` items and
 *   parts.
 * - `tooDeep`: an item is nested more than `limit` deep.
 * - `malformed`: the terminal event, of this `type`, is not valid JSON of the expected shape, so the result of the turn
 *   is unknown.
 *
 * Only `malformed` is retried.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidEvent extends Failure.Class<InvalidEvent>("@effect-codex/stream/InvalidEvent")("InvalidEvent", {
  reason: Schema.Literal("tooLarge", "turnTooLarge", "tooDeep", "malformed"),
  limit: Schema.optionalWith(Schema.Number, { exact: true }),
  type: Schema.optionalWith(Schema.String, { exact: true })
}) {
  override get isRetryable(): boolean {
    return this.reason === "malformed"
  }
  override get message(): string {
    return Failure.describe(this.#sentence(), this)
  }
  #sentence(): string {
    switch (this.reason) {
      case "tooLarge":
        return `One event is larger than ${this.limit} characters; raise maxEventSize to accept it.`
      case "turnTooLarge":
        return `The turn exceeds the limit of ${this.limit}; raise maxTurnSize if the limit is in bytes, or ask for less at once.`
      case "tooDeep":
        return `An output item is nested more than ${this.limit} deep; it cannot be used.`
      case "malformed":
        return `The terminal event ${this.type} cannot be decoded; try again.`
    }
  }
}

/**
 * All errors of a stream: those detected by this package, and those reported by the backend inside the stream.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StreamError = Schema.Union(StreamTruncated, InvalidUtf8, InvalidEvent, ServiceError.ServiceError)

/**
 * @since 0.1.0
 * @category errors
 */
export type StreamError = StreamTruncated | InvalidUtf8 | InvalidEvent | ServiceError.ServiceError
