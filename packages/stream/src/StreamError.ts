/**
 * What can be wrong with a stream that began well.
 *
 * @since 0.1.0
 */
import { Failure, ServiceError } from "@effect-codex/schema"
import * as Schema from "effect/Schema"

/**
 * The stream ended before its terminal event (protocol D.5): the connection was closed, or the body was no event
 * stream at all. `bytes` and `events` tell how far it came; `partial` holds what had arrived.
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
 * program damages the data.
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
 * An event cannot be read: it is larger than the bound (`tooLarge`, final: raise `maxEventSize` if the event is wanted),
 * or it claims to end the turn and is not JSON of the expected shape (`malformed`), so that nobody can tell how the turn
 * ended. `limit` is the bound in characters, `type` the event's type.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidEvent extends Failure.Class<InvalidEvent>("@effect-codex/stream/InvalidEvent")("InvalidEvent", {
  reason: Schema.Literal("tooLarge", "malformed"),
  limit: Schema.optionalWith(Schema.Number, { exact: true }),
  type: Schema.optionalWith(Schema.String, { exact: true })
}) {
  override get isRetryable(): boolean {
    return this.reason === "malformed"
  }
  override get message(): string {
    return Failure.describe(
      this.reason === "tooLarge"
        ? `One event is larger than ${this.limit} characters; raise maxEventSize to accept it.`
        : `The event ${this.type} that ends the turn cannot be read; try again.`,
      this
    )
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
export type StreamError = typeof StreamError.Type
