/**
 * Everything that can go wrong with a login, as one tagged union.
 *
 * Each member says what to do next in its message and never carries a token, an account id or an e-mail address.
 *
 * @since 0.1.0
 */
import * as Failure from "@effect-codex/schema/Failure"
import * as Schema from "effect/Schema"
import { accessTokenVariable } from "./internal/variables.ts"

const logIn = `Log in with \`npx @effect-codex/cli login\` or \`codex login\` (a program can use BrowserLogin or DeviceLogin), or set ${accessTokenVariable} to an access token.`

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/**
 * No source has ChatGPT credentials.
 *
 * - `path`: the file that was looked for, where the source is a file.
 * - `found`: what there was instead, such as `an API key only`.
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
 * - `segments`, `base64`, `json`, `claims`: it is not a JWT whose claims can be read.
 * - `apiKey`, `refreshToken`: it is another kind of secret.
 * - `notRedacted`: it is not a text inside a `Redacted`, which only a program without types can hand in.
 * - `account`: it names no ChatGPT account and no account id was handed in, or the account id has characters that no
 *   header can carry.
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
      return "There is no usable ChatGPT account id. Hand in the account id next to the token (`accountId`: visible ASCII), or log in again."
    }
    if (this.reason === "notRedacted") {
      return "The access token is not a text inside a `Redacted`. Hand it in as `Redacted.make(token)`, with `Redacted` of `effect`."
    }
    return `This is not a ChatGPT access token: ${invalidTokenReasons[this.reason]}. Hand in the \`access_token\` of a ChatGPT login. ${logIn}`
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
 * The credential file cannot be used. It is left alone.
 *
 * - `read`, `write`, `lock`: the system refuses the operation. `reason` is the system's code, such as `EACCES`, or one
 *   of: `FIFO`, `CharacterDevice`, … (the type of what is not a file), `tooLarge`, `tooDeep` (nested too deeply to be
 *   written), `otherUser` (the owner of the file cannot be kept), `replaced` (the file at this path was replaced outside
 *   of this mount).
 * - `decode`: the file was read but is `empty`, not `json`, or has another `schema`; `at` is where, never the content.
 *
 * `cause` is what the file system says.
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
      return `The credential file ${path} ${what}. It was left alone: repair it, or remove it and log in again.`
    }
    const advice = unusableReasons[reason] ?? [reason, "Check that it is a file, its permissions and the disk."]
    return `Cannot ${operation} the credential file ${path} (${advice[0]}). ${advice[1]}`
  }
}

const notAFile = (what: string): readonly [why: string, advice: string] => [
  `it is ${what}, not a file`,
  "Put a file in its place, or remove it and log in again."
]

const unusableReasons: Record<string, readonly [why: string, advice: string]> = {
  EISDIR: notAFile("a directory"),
  FIFO: notAFile("a FIFO"),
  Socket: notAFile("a socket"),
  CharacterDevice: notAFile("a device"),
  BlockDevice: notAFile("a device"),
  Unknown: notAFile("of an unknown type"),
  tooLarge: ["it is larger than 1 MiB", "Remove what does not belong there."],
  tooDeep: ["it is nested too deeply to be written back", "Remove what does not belong there."],
  ENOSPC: ["ENOSPC: the disk is full", "Make room; the login is not refreshed before its successor can be stored."],
  otherUser: [
    "it belongs to another user and would change its owner",
    "Run the program as that user, or let that user refresh the login."
  ],
  replaced: [
    "another program replaced the file outside of this mount",
    "Mount the directory instead of the single file, or restart the container."
  ]
}

/**
 * The login is over: only a new login helps.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginExpired extends Failure.Class<LoginExpired>("@effect-codex/auth/LoginExpired", "account")(
  "LoginExpired",
  {
    /**
     * - `expired`, `reused`, `invalidated`: the token endpoint's words (protocol F.5).
     * - `unknown`: any other way in which it says that the refresh token is worth nothing.
     * - `notRefreshable`: the source has no refresh token.
     * - `rejected`: the backend refuses what a recovery brought minutes ago, so that another refresh would not help.
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
  unknown: "The login was refused by the token endpoint.",
  notRefreshable: "The access token is no longer accepted and cannot be refreshed.",
  rejected: "The backend refuses the access token although it was refreshed. Check that the account may use Codex."
}

/**
 * The access token could not be refreshed this time; the login itself may be fine.
 *
 * @since 0.1.0
 * @category errors
 */
export class RefreshFailed extends Failure.Class<RefreshFailed>("@effect-codex/auth/RefreshFailed", "account")(
  "RefreshFailed",
  {
    /**
     * - `network`, `timeout`: no response, or none in time. A late one is still stored.
     * - `status`: a status that may be another one next time.
     * - `refused`: a final status (any 4xx other than 408 and 429), such as a region that is not served.
     * - `answer`: a response without a token.
     * - `account`: a response with the token of another account, which is not stored.
     */
    reason: Schema.Literal("network", "timeout", "status", "refused", "answer", "account")
  }
) {
  /** Worth another try after some seconds, unless the token endpoint refused, or took this login for another one. */
  override get isRetryable(): boolean {
    return this.reason !== "refused" && this.reason !== "account"
  }
  override get message(): string {
    const status = `HTTP ${this.status ?? "?"}`
    const what = {
      network: "the token endpoint could not be reached. Check the network and try again in a moment.",
      timeout: "the token endpoint did not respond in time. Try again in a moment.",
      status: `the token endpoint responded with ${status}. Try again in a moment.`,
      refused: `the token endpoint refused (${status}). Check network, region and account, then restart the program or log in again.`,
      answer: "the token endpoint responded without a token. Check the network and try again in a moment.",
      account: "the token endpoint responded with a token of another account. Log in again."
    }[this.reason]
    return Failure.describe(`The access token could not be refreshed: ${what}`, this)
  }
}

/**
 * The store now holds a login of another account than the one this program started with.
 *
 * @since 0.1.0
 * @category errors
 */
export class AccountChanged extends Failure.Class<AccountChanged>("@effect-codex/auth/AccountChanged", "account")(
  "AccountChanged",
  {}
) {
  override get message(): string {
    return "Somebody logged in with another ChatGPT account meanwhile. Restart the program to use it, or log in with the first account again."
  }
}

/**
 * Another process has the lock of the credential file: it held it for longer than we wait (`waitedMillis`), or took it
 * over while this process was stopped (`waitedMillis` is 0).
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
  /** The holder may be done soon. */
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    return this.waitedMillis === 0
      ? `Another process took over the lock ${this.path} while this one was stopped. Try again.`
      : `Another process held the lock ${this.path} for more than ${Math.round(this.waitedMillis / 1000)} s. Try again; if it lasts, end the process that holds it.`
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
    /** The ports that were tried. */
    ports: optional(Schema.Array(Schema.Number))
  }
) {
  /** A network failure or a timeout is worth starting the login again. */
  override get isRetryable(): boolean {
    return this.reason === "network" || this.reason === "timeout"
  }
  override get message(): string {
    const tried = this.ports === undefined ? "" : ` (tried ${this.ports.join(", ")})`
    return Failure.describe(`The login failed: ${loginFailedReasons[this.reason]}${tried}`, this)
  }
}

const loginFailedReasons = {
  denied: "it was refused. Check that the account may use Codex and try again.",
  workspace: "it was for a workspace that is not allowed here. Log in again and choose an allowed one.",
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
export type LoginError = AuthError | LoginFailed
