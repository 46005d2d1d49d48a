/**
 * The errors of a stream that began well.
 *
 * @since 0.1.0
 */
import { Failure, ServiceError } from "@effect-codex/schema"
import * as Schema from "effect/Schema"

/**
 * The stream ended before its terminal event (protocol D.5): the connection was closed, or the body was no event
 * stream at all. `bytes` and `events` count what had arrived; `partial` holds it.
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
        : `The stream ended after ${this.events} events (the last one ${this.lastEventType ?? "unnamed"}) without its terminal event`
    return Failure.describe(`${seen}; the turn is not complete, try again.`, this)
  }
}

/**
 * The stream has invalid UTF-8; `offset` is where, in bytes from its start. Something between the server and this
 * program damaged the data.
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
 * An event cannot be read.
 *
 * - `tooLarge`: one event is larger than `limit` characters (`maxEventSize`).
 * - `turnTooLarge`: the whole turn is larger than `limit` bytes (`maxTurnSize`), or has more items and parts than `limit`.
 * - `tooDeep`: an item is nested more than `limit` deep.
 * - `malformed`: the event of this `type` ends the turn but is not JSON of the expected shape, so that its end is unknown.
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
        return `The turn is larger than the bound of ${this.limit}; raise maxTurnSize if it counts bytes, or ask for less at once.`
      case "tooDeep":
        return `An output item is nested more than ${this.limit} deep; it cannot be used.`
      case "malformed":
        return `The event ${this.type} that ends the turn cannot be read; try again.`
    }
  }
}

/**
 * Everything a stream can fail with: what this package finds, and what the backend states inside the stream.
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
