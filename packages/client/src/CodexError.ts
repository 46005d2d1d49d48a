/**
 * All errors of a turn: errors of the login, the connection and the stream, and errors reported by the backend.
 *
 * @since 0.1.0
 */
import { AuthError } from "@effect-codex/auth"
import { StreamError } from "@effect-codex/stream"
import { TransportError } from "@effect-codex/transport"
import * as Schema from "effect/Schema"

/**
 * The union of all errors, discriminated by `_tag`. Every member has `isRetryable` and a message that says what to do.
 * If the turn failed midway, `partial` contains what had arrived (from the last attempt that received anything).
 *
 * @since 0.1.0
 * @category schemas
 */
export const CodexError = Schema.Union(
  ...AuthError.AuthError.members,
  ...TransportError.TransportError.members,
  StreamError.StreamTruncated,
  StreamError.InvalidUtf8,
  StreamError.InvalidEvent
)

/**
 * @since 0.1.0
 * @category errors
 */
export type CodexError =
  | AuthError.AuthError
  | TransportError.TransportError
  | StreamError.StreamTruncated
  | StreamError.InvalidUtf8
  | StreamError.InvalidEvent

/**
 * @since 0.1.0
 * @category guards
 */
export const isCodexError: (value: unknown) => value is CodexError = Schema.is(CodexError)
