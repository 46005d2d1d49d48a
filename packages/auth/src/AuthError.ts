/**
 * Everything that can go wrong with a login, as one tagged union.
 *
 * Each member says what to do next in its message and never carries a token, an account id or an e-mail address.
 *
 * @since 0.1.0
 */
import * as Failure from "@effect-codex/schema/Failure"
import * as Schema from "effect/Schema"

const logIn = "Log in (BrowserLogin, DeviceLogin or `codex login`) or hand in an access token."

/**
 * No source has ChatGPT credentials. `found` names what there was instead, such as an API key only.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotLoggedIn extends Failure.Class<NotLoggedIn>("@effect-codex/auth/NotLoggedIn")("NotLoggedIn", {
  found: Schema.optionalWith(Schema.String, { exact: true })
}) {
  override get message(): string {
    return `There is no ChatGPT login${this.found === undefined ? "" : ` (found ${this.found})`}. ${logIn}`
  }
}

/**
 * The access token cannot be used: it is not a JWT whose claims can be read, or it names no ChatGPT account and none was
 * handed in (`account`; also when the account id has characters that no header can carry).
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidToken extends Failure.Class<InvalidToken>("@effect-codex/auth/InvalidToken")("InvalidToken", {
  reason: Schema.Literal("segments", "base64", "json", "claims", "account")
}) {
  override get message(): string {
    if (this.reason === "account") {
      return "There is no usable ChatGPT account id. Hand in the account id next to the token (`accountId`: visible ASCII), or log in again."
    }
    return `The access token is no ChatGPT access token (${invalidTokenReasons[this.reason]}). Hand in the JWT of a ChatGPT login, not an API key. ${logIn}`
  }
}

const invalidTokenReasons = {
  segments: "a JWT has exactly three non-empty segments",
  base64: "its segments are not base64url",
  json: "its payload is not JSON",
  claims: "its claims have an unexpected shape"
}

/**
 * The credential file cannot be used. It is left alone.
 *
 * - `read`, `write`, `lock`: the system refuses the operation (permissions, a directory in its place, a read-only or full
 *   disk); `reason` is the system's word for it, such as `EACCES`.
 * - `decode`: the file was read but is `empty`, not `json`, or has another `schema`; `at` is where, never the content.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthFileUnusable extends Failure.Class<AuthFileUnusable>("@effect-codex/auth/AuthFileUnusable")(
  "AuthFileUnusable",
  {
    path: Schema.String,
    operation: Schema.Literal("read", "write", "lock", "decode"),
    reason: Schema.String,
    at: Schema.optionalWith(Schema.String, { exact: true })
  }
) {
  override get message(): string {
    if (this.operation !== "decode") {
      return `Cannot ${this.operation} the credential file ${this.path} (${this.reason}). Check that it is a file, its permissions and the disk.`
    }
    const at = this.at === undefined ? "" : ` at ${this.at}`
    const what = { empty: "is empty", json: "is not valid JSON" }[this.reason] ?? `has an unexpected shape${at}`
    return `The credential file ${this.path} ${what}. It was left alone: repair it, or remove it and log in again.`
  }
}

/**
 * The login is over: the refresh token is spent, revoked or refused, or there is none. Only a new login helps.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginExpired extends Failure.Class<LoginExpired>("@effect-codex/auth/LoginExpired")("LoginExpired", {
  /**
   * `expired`, `reused` and `invalidated` are the token endpoint's words (protocol F.5); `unknown` is any other permanent
   * refusal; `notRefreshable` means that the source has no refresh token.
   */
  reason: Schema.Literal("expired", "reused", "invalidated", "unknown", "notRefreshable")
}) {
  override get message(): string {
    return `${loginExpiredReasons[this.reason]} ${logIn}`
  }
}

const loginExpiredReasons = {
  expired: "The login has expired.",
  reused: "The login's refresh token was already used, probably by another program that shares the login.",
  invalidated: "The login was revoked.",
  unknown: "The login was refused by the token endpoint.",
  notRefreshable: "The access token is no longer accepted and cannot be refreshed."
}

/**
 * The access token could not be refreshed this time; the login itself may be fine.
 *
 * @since 0.1.0
 * @category errors
 */
export class RefreshFailed extends Failure.Class<RefreshFailed>("@effect-codex/auth/RefreshFailed")("RefreshFailed", {
  reason: Schema.Literal("network", "timeout", "status", "answer"),
  /** HTTP status of the token endpoint, when there was one. */
  status: Schema.optionalWith(Schema.Int, { exact: true })
}) {
  /** Worth another try after some seconds. */
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    const what = {
      network: "the token endpoint could not be reached",
      timeout: "the token endpoint did not answer in time",
      status: `the token endpoint answered with HTTP ${this.status ?? "?"}`,
      answer: "the token endpoint answered without a token"
    }[this.reason]
    return `The access token could not be refreshed: ${what}. Check the network and try again in a moment.`
  }
}

/**
 * The store now holds a login of another account than the one this program started with.
 *
 * @since 0.1.0
 * @category errors
 */
export class AccountChanged extends Failure.Class<AccountChanged>("@effect-codex/auth/AccountChanged")(
  "AccountChanged",
  {}
) {
  override get message(): string {
    return "Somebody logged in with another ChatGPT account meanwhile. Restart the program to use it, or log in with the first account again."
  }
}

/**
 * Another process held the lock of the credential file for longer than we wait.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockTimeout extends Failure.Class<LockTimeout>("@effect-codex/auth/LockTimeout")("LockTimeout", {
  path: Schema.String,
  waitedMillis: Schema.Number
}) {
  /** The holder may be done soon. */
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    return `Another process held the lock ${this.path} for more than ${Math.round(this.waitedMillis / 1000)} s. Try again; if it lasts, end the process that holds it.`
  }
}

/**
 * An interactive login did not succeed.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginFailed extends Failure.Class<LoginFailed>("@effect-codex/auth/LoginFailed")("LoginFailed", {
  reason: Schema.Literal("denied", "timeout", "ports", "network", "exchange", "unsupported"),
  /** What the server said, cut short and free of secrets. */
  description: Schema.optionalWith(Schema.String, { exact: true })
}) {
  /** A network failure or a timeout is worth starting the login again. */
  override get isRetryable(): boolean {
    return this.reason === "network" || this.reason === "timeout"
  }
  override get message(): string {
    return `The login failed: ${loginFailedReasons[this.reason]}${this.description === undefined ? "" : ` (${this.description})`}`
  }
}

const loginFailedReasons = {
  denied: "it was refused. Check that the account may use Codex and try again.",
  timeout: "nobody finished it in time. Start it again.",
  ports: "no callback port is free. End the other login, or use the device login.",
  network: "the login server could not be reached. Check the network and start it again.",
  exchange: "the login server did not hand out tokens. Start it again.",
  unsupported: "device login is not enabled for this server. Use the browser login."
}

/**
 * What a request for credentials can fail with, and so what a turn can.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AuthError = Schema.Union(
  NotLoggedIn,
  InvalidToken,
  AuthFileUnusable,
  LoginExpired,
  RefreshFailed,
  AccountChanged,
  LockTimeout
)

/**
 * @since 0.1.0
 * @category errors
 */
export type AuthError = typeof AuthError.Type

/**
 * Tells an {@link AuthError} from any other value.
 *
 * @since 0.1.0
 * @category guards
 */
export const isAuthError: (u: unknown) => u is AuthError = Schema.is(AuthError)

/**
 * What an interactive login or a logout can fail with.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LoginError = Schema.Union(...AuthError.members, LoginFailed)

/**
 * @since 0.1.0
 * @category errors
 */
export type LoginError = typeof LoginError.Type
