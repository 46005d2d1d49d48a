/**
 * The errors of logins and credentials, as one tagged union.
 *
 * Each message says what to do next. No error contains a token, an account id or an e-mail address.
 *
 * @since 0.1.0
 */
import * as Failure from "@effect-codex/schema/Failure"
import * as Schema from "effect/Schema"
import { isTransient } from "./internal/status.ts"
import { accessTokenVariable } from "./internal/variables.ts"

const logIn = `Log in with \`npx @effect-codex/cli login\` or \`codex login\` (a program can use BrowserLogin or DeviceLogin), or set ${accessTokenVariable} to an access token.`

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/**
 * There are no ChatGPT credentials.
 *
 * - `path`: the credential file, if the source is a file.
 * - `found`: what the file contains instead, such as `an API key only`.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotLoggedIn extends Failure.Class<NotLoggedIn>("@effect-codex/auth/NotLoggedIn", "account")(
  "NotLoggedIn",
  {
    path: optional(Schema.String),
    found: optional(Schema.String)
  }
) {
  override get message(): string {
    const where = this.path === undefined ? "" : ` in ${this.path}`
    const found = this.found === undefined ? "" : ` (found ${this.found})`
    const elsewhere = this.path === undefined ? "" : " If the file is in another directory, set CODEX_HOME to it."
    return `There is no ChatGPT login${where}${found}. ${logIn}${elsewhere}`
  }
}

/**
 * The access token cannot be used.
 *
 * - `segments`, `base64`, `json`, `claims`: it is not a valid JWT.
 * - `apiKey`, `refreshToken`: it is another kind of secret.
 * - `notRedacted`: it is not a string in a `Redacted`. Only untyped programs can pass such a value.
 * - `account`: it names no ChatGPT account and no account id was passed, or the account id is not a valid header value.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidToken extends Failure.Class<InvalidToken>("@effect-codex/auth/InvalidToken", "account")(
  "InvalidToken",
  {
    reason: Schema.Literal("segments", "base64", "json", "claims", "apiKey", "refreshToken", "notRedacted", "account")
  }
) {
  override get message(): string {
    if (this.reason === "account") {
      return "There is no usable ChatGPT account id. Pass the account id with the token (`accountId`: visible ASCII), or log in again."
    }
    if (this.reason === "notRedacted") {
      return "The access token is not a string in a `Redacted`. Pass it as `Redacted.make(token)`, with `Redacted` of `effect`."
    }
    return `This is not a ChatGPT access token: ${invalidTokenReasons[this.reason]}. Pass the \`access_token\` of a ChatGPT login. ${logIn}`
  }
}

const invalidTokenReasons = {
  segments: "a JWT has exactly three non-empty segments",
  base64: "its segments are not base64url",
  json: "its payload is not JSON",
  claims: "its claims are not an object",
  apiKey: "it is an API key",
  refreshToken: "it is a refresh token"
}

/**
 * The credential file cannot be used. It is not changed.
 *
 * - `read`, `write`, `lock`: the operation failed. `reason` is the system's code, such as `EACCES`, or one of: `FIFO`,
 *   `CharacterDevice`, … (the path is not a regular file), `tooLarge`, `tooDeep` (nested too deeply to be written),
 *   `otherUser` (the owner of the file cannot be preserved), `replaced` (the file at this path was replaced outside of
 *   this mount).
 * - `decode`: the file is `empty`, not valid `json`, or has an unexpected `schema`. `at` is the position, without any
 *   content.
 *
 * `cause` is the error of the file system.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthFileUnusable extends Failure.Class<AuthFileUnusable>("@effect-codex/auth/AuthFileUnusable", "account")(
  "AuthFileUnusable",
  {
    path: Schema.String,
    operation: Schema.Literal("read", "write", "lock", "decode"),
    reason: Schema.String,
    at: optional(Schema.String),
    cause: optional(Schema.Defect)
  }
) {
  override get message(): string {
    const { operation, path, reason } = this
    if (operation === "decode") {
      const at = this.at === undefined ? "" : ` at ${this.at}`
      const what = { empty: "is empty", json: "is not valid JSON" }[reason] ?? `has an unexpected shape${at}`
      return `The credential file ${path} ${what}. It was not changed. Repair it, or remove it and log in again.`
    }
    const advice = unusableReasons[reason] ?? [reason, "Check that it is a file, its permissions and the disk."]
    return `Cannot ${operation} the credential file ${path} (${advice[0]}). ${advice[1]}`
  }
}

const notAFile = (what: string): readonly [why: string, advice: string] => [
  `it is ${what}, not a file`,
  "Replace it with a file, or remove it and log in again."
]

const unusableReasons: Record<string, readonly [why: string, advice: string]> = {
  EISDIR: notAFile("a directory"),
  FIFO: notAFile("a FIFO"),
  Socket: notAFile("a socket"),
  CharacterDevice: notAFile("a device"),
  BlockDevice: notAFile("a device"),
  Unknown: notAFile("of an unknown type"),
  tooLarge: ["it is larger than 1 MiB", "Remove unrelated content."],
  tooDeep: ["it is nested too deeply to be written back", "Remove unrelated content."],
  ENOSPC: [
    "ENOSPC: the disk is full",
    "Free some space. The login is not refreshed until the new tokens can be stored."
  ],
  otherUser: [
    "it belongs to another user, and writing it would change its owner",
    "Run the program as that user, or let that user refresh the login."
  ],
  replaced: [
    "another program replaced the file outside of this mount",
    "Mount the directory instead of the single file, or restart the container."
  ]
}

/**
 * The login is no longer valid. A new login is needed.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginExpired extends Failure.Class<LoginExpired>("@effect-codex/auth/LoginExpired", "account")(
  "LoginExpired",
  {
    /**
     * - `expired`, `reused`, `invalidated`: reported by the token endpoint (protocol F.5).
     * - `unknown`: the token endpoint rejected the refresh token for another reason.
     * - `notRefreshable`: the source has no refresh token.
     * - `rejected`: the backend rejects a token that was refreshed minutes ago, so another refresh would not help.
     */
    reason: Schema.Literal("expired", "reused", "invalidated", "unknown", "notRefreshable", "rejected")
  }
) {
  override get message(): string {
    return Failure.describe(`${loginExpiredReasons[this.reason]} ${logIn}`, this)
  }
}

const loginExpiredReasons = {
  expired: "The login has expired.",
  reused: "The login's refresh token was already used, probably by another program that shares the login.",
  invalidated: "The login was revoked.",
  unknown: "The token endpoint rejected the login.",
  notRefreshable: "The access token is no longer accepted and cannot be refreshed.",
  rejected: "The backend rejects the access token although it was refreshed. Check that the account may use Codex."
}

/**
 * The access token could not be refreshed. The login itself may still be valid.
 *
 * @since 0.1.0
 * @category errors
 */
export class RefreshFailed extends Failure.Class<RefreshFailed>("@effect-codex/auth/RefreshFailed", "account")(
  "RefreshFailed",
  {
    /**
     * - `network`, `timeout`: no response, or none in time. A late response is still stored.
     * - `status`: a status that may be temporary.
     * - `refused`: a permanent status (any 4xx other than 408 and 429), for example in an unsupported region.
     * - `answer`: a response without a token.
     */
    reason: Schema.Literal("network", "timeout", "status", "refused", "answer")
  }
) {
  /** Retryable after some seconds, unless the token endpoint refused. */
  override get isRetryable(): boolean {
    return this.reason !== "refused"
  }
  override get message(): string {
    const status = `HTTP ${this.status ?? "?"}`
    const what = {
      network: "the token endpoint could not be reached. Check the network and the proxy, and try again in a moment.",
      timeout: "the token endpoint did not respond in time. Try again in a moment.",
      status: `the token endpoint responded with ${status}. Try again in a moment.`,
      refused: `the token endpoint refused the request (${status}). Check the network, the region and the account, then restart the program or log in again.`,
      answer: "the token endpoint responded without a token. Check the network and try again in a moment."
    }[this.reason]
    return Failure.describe(`The access token could not be refreshed: ${what}`, this)
  }
}

/**
 * The store contains a login of a different account than at the start of this program.
 *
 * @since 0.1.0
 * @category errors
 */
export class AccountChanged extends Failure.Class<AccountChanged>("@effect-codex/auth/AccountChanged", "account")(
  "AccountChanged",
  {}
) {
  override get message(): string {
    return "The login was replaced by one of another ChatGPT account. Restart the program to use it, or log in with the first account again."
  }
}

/**
 * Another process holds the lock of the credential file: it held the lock longer than the time limit (`waitedMillis`),
 * or took it over while this process was suspended (`waitedMillis` is 0).
 *
 * @since 0.1.0
 * @category errors
 */
export class LockTimeout extends Failure.Class<LockTimeout>("@effect-codex/auth/LockTimeout", "account")(
  "LockTimeout",
  {
    path: Schema.String,
    waitedMillis: Schema.Number
  }
) {
  /** The holder may release it soon. */
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    return this.waitedMillis === 0
      ? `Another process took over the lock ${this.path} while this one was suspended. Try again.`
      : `Another process held the lock ${this.path} for more than ${Math.round(this.waitedMillis / 1000)} s. Try again. If it stays locked, end the process that holds it.`
  }
}

/**
 * An interactive login did not succeed.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginFailed extends Failure.Class<LoginFailed>("@effect-codex/auth/LoginFailed", "account")(
  "LoginFailed",
  {
    reason: Schema.Literal("denied", "workspace", "timeout", "ports", "network", "exchange", "unsupported"),
    ports: optional(Schema.Array(Schema.Number))
  }
) {
  /** After a network error, a timeout or a status that may be temporary the login can be started again. */
  override get isRetryable(): boolean {
    const { reason, status = 200 } = this
    return reason === "network" || reason === "timeout" || (reason === "exchange" && isTransient(status))
  }
  override get message(): string {
    const { ports, reason, status = 200 } = this
    const tried = ports === undefined ? "" : ` (tried ${ports.join(", ")})`
    const what =
      reason !== "exchange" || status < 400
        ? loginFailedReasons[reason]
        : isTransient(status)
          ? `the login server responded with HTTP ${status}. Start it again in a moment.`
          : `the login server refused the request (HTTP ${status}). Check the network, the region and the account, then start it again.`
    return Failure.describe(`The login failed: ${what}${tried}`, this)
  }
}

const loginFailedReasons = {
  denied: "access was denied. Check that the account may use Codex and try again.",
  workspace: "it was for a workspace that is not allowed here. Log in again and choose an allowed one.",
  timeout: "it was not completed in time. Start it again.",
  ports: "no callback port is free. End the other login, or use the device login.",
  network: "the login server could not be reached. Check the network and the proxy, and start it again.",
  exchange: "the login server did not return what it was asked for. Start it again.",
  unsupported: "device login is not enabled for this server. Use the browser login."
}

/**
 * The errors of requesting credentials, and therefore of a turn.
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
export type AuthError =
  | NotLoggedIn
  | InvalidToken
  | AuthFileUnusable
  | LoginExpired
  | RefreshFailed
  | AccountChanged
  | LockTimeout

/**
 * Whether the value is an {@link AuthError}.
 *
 * @since 0.1.0
 * @category guards
 */
export const isAuthError: (u: unknown) => u is AuthError = Schema.is(AuthError)

/**
 * The errors of an interactive login or a logout.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LoginError = Schema.Union(...AuthError.members, LoginFailed)

/**
 * @since 0.1.0
 * @category errors
 */
export type LoginError = AuthError | LoginFailed
