/**
 * Everything that can go wrong with a login, as one tagged union.
 *
 * Each member says what to do next in its message and never carries a token, an account id or an e-mail address.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const logIn = "Log in (BrowserLogin, DeviceLogin or `codex login`) or hand in an access token."

/**
 * No source has ChatGPT credentials. `found` names what there was instead, such as an API key only.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotLoggedIn extends Schema.TaggedError<NotLoggedIn>("@effect-codex/auth/NotLoggedIn")("NotLoggedIn", {
  found: Schema.optionalWith(Schema.String, { exact: true })
}) {
  /** The same request cannot succeed before somebody logs in. */
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `There is no ChatGPT login${this.found === undefined ? "" : ` (found ${this.found})`}. ${logIn}`
  }
}

/**
 * The access token is not a JWT whose claims can be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidToken extends Schema.TaggedError<InvalidToken>("@effect-codex/auth/InvalidToken")("InvalidToken", {
  reason: Schema.Literal("segments", "base64", "json", "claims")
}) {
  /** The same token stays unreadable. */
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
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
 * The tokens name no ChatGPT account and none was handed in, or it has characters that no header can carry.
 *
 * @since 0.1.0
 * @category errors
 */
export class AccountIdMissing extends Schema.TaggedError<AccountIdMissing>("@effect-codex/auth/AccountIdMissing")(
  "AccountIdMissing",
  {}
) {
  /** The same token never gains an account id. */
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return "There is no usable ChatGPT account id. Hand in the account id next to the token (`accountId`: visible ASCII), or log in again."
  }
}

/**
 * The credential file can be read but is not what it should be. It is left alone.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthFileInvalid extends Schema.TaggedError<AuthFileInvalid>("@effect-codex/auth/AuthFileInvalid")(
  "AuthFileInvalid",
  {
    path: Schema.String,
    reason: Schema.Literal("empty", "json", "schema"),
    /** Where the content is wrong, for `schema`; never the content itself. */
    at: Schema.optionalWith(Schema.String, { exact: true })
  }
) {
  /** Somebody has to repair or remove the file first. */
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    const what = {
      empty: "is empty",
      json: "is not valid JSON",
      schema: `has an unexpected shape${this.at === undefined ? "" : ` at ${this.at}`}`
    }[this.reason]
    return `The credential file ${this.path} ${what}. It was left alone: repair it, or remove it and log in again.`
  }
}

/**
 * The credential file cannot be reached: permissions, a directory in its place, a read-only or full disk.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthFileUnavailable extends Schema.TaggedError<AuthFileUnavailable>(
  "@effect-codex/auth/AuthFileUnavailable"
)("AuthFileUnavailable", {
  path: Schema.String,
  operation: Schema.Literal("read", "write", "lock"),
  /** The system's word for it, such as `PermissionDenied`. */
  reason: Schema.String
}) {
  /** The same operation fails until permissions or the disk change. */
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `Cannot ${this.operation} the credential file ${this.path} (${this.reason}). Check that it is a file, its permissions and the disk.`
  }
}

/**
 * The login is over: the refresh token is spent, revoked or refused, or there is none. Only a new login helps.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginExpired extends Schema.TaggedError<LoginExpired>("@effect-codex/auth/LoginExpired")("LoginExpired", {
  /**
   * `expired`, `reused` and `invalidated` are the token endpoint's words (protocol F.5); `unknown` is any other permanent
   * refusal; `notRefreshable` means that the source has no refresh token.
   */
  reason: Schema.Literal("expired", "reused", "invalidated", "unknown", "notRefreshable")
}) {
  /** The same refresh token stays refused. */
  get isRetryable(): boolean {
    return false
  }
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
export class RefreshFailed extends Schema.TaggedError<RefreshFailed>("@effect-codex/auth/RefreshFailed")(
  "RefreshFailed",
  {
    reason: Schema.Literal("network", "timeout", "status", "answer"),
    /** HTTP status of the token endpoint, when there was one. */
    status: Schema.optionalWith(Schema.Int, { exact: true })
  }
) {
  /** Worth another try after some seconds. */
  get isRetryable(): boolean {
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
export class AccountChanged extends Schema.TaggedError<AccountChanged>("@effect-codex/auth/AccountChanged")(
  "AccountChanged",
  {}
) {
  /** Going on would silently use another account. */
  get isRetryable(): boolean {
    return false
  }
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
export class LockTimeout extends Schema.TaggedError<LockTimeout>("@effect-codex/auth/LockTimeout")("LockTimeout", {
  path: Schema.String,
  waitedMillis: Schema.Number
}) {
  /** The holder may be done soon. */
  get isRetryable(): boolean {
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
export class LoginFailed extends Schema.TaggedError<LoginFailed>("@effect-codex/auth/LoginFailed")("LoginFailed", {
  reason: Schema.Literal("denied", "timeout", "ports", "network", "exchange", "unsupported"),
  /** What the server said, cut short and free of secrets. */
  description: Schema.optionalWith(Schema.String, { exact: true })
}) {
  /** A network failure or a timeout is worth starting the login again. */
  get isRetryable(): boolean {
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
 * Any failure of this package.
 *
 * @since 0.1.0
 * @category errors
 */
export const AuthError = Schema.Union(
  NotLoggedIn,
  InvalidToken,
  AccountIdMissing,
  AuthFileInvalid,
  AuthFileUnavailable,
  LoginExpired,
  RefreshFailed,
  AccountChanged,
  LockTimeout,
  LoginFailed
)

/**
 * @since 0.1.0
 * @category errors
 */
export type AuthError = typeof AuthError.Type

/**
 * Tells the errors of this package from any other value.
 *
 * @since 0.1.0
 * @category guards
 */
export const isAuthError: (u: unknown) => u is AuthError = Schema.is(AuthError)
