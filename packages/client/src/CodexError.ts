/**
 * Everything a turn can fail with: the failures of the login, of the way to the backend, of the stream, and those the
 * backend states itself.
 *
 * @since 0.1.0
 */
import { AuthError } from "@effect-codex/auth"
import { StreamError } from "@effect-codex/stream"
import { TransportError } from "@effect-codex/transport"
import * as Schema from "effect/Schema"

/**
 * The union of all failures, told apart by `_tag`. Every member has a message that names what to do, `isRetryable`, and
 * where it broke in mid-turn a `partial` with what had arrived (by the last attempt that brought anything).
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
