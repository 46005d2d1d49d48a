/**
 * All errors of a request, as one tagged union: errors reported by the backend ({@link ServiceError} of the schema
 * package) and connection errors.
 *
 * No error holds a request, a response or an error of the HTTP client, because those contain the access token.
 *
 * @since 0.1.0
 */
import * as Failure from "@effect-codex/schema/Failure"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const fields = {
  /** Bytes of the response body received. */
  bytesReceived: optional(Schema.Number),
  /** Milliseconds since the start of the request. */
  elapsedMillis: optional(Schema.Number)
}

/**
 * The phase of a request: `request` before sending, `headers` while waiting for the response headers (including
 * connecting, if the HTTP client does not distinguish it), `body` while reading the body.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Phase = Schema.Literal("request", "headers", "body")

const connectionReasons = {
  refused: "Nothing is listening at this address. Check the base URL, the proxy settings and that the service is up",
  reset: "The connection was reset. Try again; if it persists, check for a proxy or firewall in between",
  dns: "The host name could not be resolved. Check the base URL and the network",
  unreachable: "The network or the host cannot be reached. Check the network",
  tls: "The TLS certificate was not accepted. If a proxy inspects traffic, add its CA certificate (`extraCertificates` or NODE_EXTRA_CA_CERTS)",
  proxy: "The proxy refused the connection. Check HTTPS_PROXY and its credentials",
  protocol: "The response is not valid HTTP or its headers are too large. Check that the base URL names the backend",
  url: "The URL is not valid. Check the base URL",
  redirect: "The server redirected the request to another host, which does not get it. Check the base URL",
  unknown: "Try again; if it persists, check the network"
} as const

/**
 * The connection could not be established, or broke.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionFailed extends Failure.Class<ConnectionFailed>(
  "@effect-codex/transport/ConnectionFailed",
  "account"
)("ConnectionFailed", {
  ...fields,
  reason: Schema.Literal(
    "refused",
    "reset",
    "dns",
    "unreachable",
    "tls",
    "proxy",
    "protocol",
    "url",
    "redirect",
    "unknown"
  ),
  phase: Phase,
  /** The system error code, such as `ECONNREFUSED`. */
  systemCode: optional(Schema.String)
}) {
  /** Certificate, proxy and URL errors are permanent, and so are redirects. */
  override get isRetryable(): boolean {
    return !["tls", "proxy", "protocol", "url", "redirect"].includes(this.reason)
  }
  override get message(): string {
    const when = this.phase === "body" ? "while receiving the response" : "before a response was received"
    const code = this.systemCode === undefined ? "" : `, ${this.systemCode}`
    return Failure.describe(
      `The connection failed ${when} (${this.reason}${code}). ${connectionReasons[this.reason]}.`,
      this
    )
  }
}

/**
 * A timeout: `connect` (no connection), `headers` (no response headers), `total` (the whole request including its body,
 * or the caller's deadline).
 *
 * @since 0.1.0
 * @category errors
 */
export class TimedOut extends Failure.Class<TimedOut>("@effect-codex/transport/TimedOut")("TimedOut", {
  ...fields,
  phase: Schema.Literal("connect", "headers", "total"),
  /** The timeout, if known. */
  limitMillis: optional(Schema.Number)
}) {
  /** The total timeout is set by the caller. */
  override get isRetryable(): boolean {
    return this.phase !== "total"
  }
  override get message(): string {
    const limit = this.limitMillis === undefined ? "" : ` within ${Duration.format(Duration.millis(this.limitMillis))}`
    const what = {
      connect: `The connection was not established${limit}. Check the network and the proxy settings.`,
      headers: `The server did not start to respond${limit}. Try again, or raise \`timeouts.headers\`.`,
      total: `The request was not finished${limit}. Raise \`timeouts.total\` or the deadline.`
    }[this.phase]
    return Failure.describe(what, this)
  }
}

/**
 * The stream was idle: no `bytes` at all, or bytes (keep-alives) but no `progress`.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamIdle extends Failure.Class<StreamIdle>("@effect-codex/transport/StreamIdle")("StreamIdle", {
  ...fields,
  kind: Schema.Literal("bytes", "progress"),
  idleMillis: Schema.Number
}) {
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    const what = this.kind === "bytes" ? "sent nothing" : "only sent keep-alives"
    const option = this.kind === "bytes" ? "idle" : "progress"
    return Failure.describe(
      `The server ${what} for ${Duration.format(Duration.millis(this.idleMillis))}. Try again, or raise \`timeouts.${option}\`.`,
      this
    )
  }
}

const retryableStatus: ReadonlySet<number> = new Set([408, 429])

/**
 * An HTTP status not covered by another error. This includes redirects, which are never followed.
 *
 * @since 0.1.0
 * @category errors
 */
export class HttpFailure extends Failure.Class<HttpFailure>("@effect-codex/transport/HttpFailure", "account")(
  "HttpFailure",
  {
    ...fields,
    status: Schema.Number,
    /** The target origin of a redirect. */
    location: optional(Schema.String),
    /** `handshake`: the server refused a WebSocket. `tooLarge`: the document of a successful response is too large. */
    reason: optional(Schema.Literal("handshake", "tooLarge"))
  }
) {
  override get isRetryable(): boolean {
    return retryableStatus.has(this.status) || this.status >= 500
  }
  override get message(): string {
    const { reason, status } = this
    if (reason === "handshake") {
      return Failure.describe(
        `The server refused the WebSocket (HTTP ${status}). Set \`transport: "auto"\` to fall back to server-sent events.`,
        this
      )
    }
    const what =
      status >= 300 && status < 400
        ? `The server redirects${this.location === undefined ? "" : ` to ${this.location}`} (HTTP ${status}); redirects are not followed. Set the base URL to the final address if you trust it.`
        : status < 300
          ? `The server answered HTTP ${status} with ${reason === undefined ? "unexpected content" : "a document that is too large"}. Check that the base URL names the backend.`
          : `The server answered HTTP ${status}. ${this.isRetryable ? "Try again later." : "Check the base URL and the request."}`
    return Failure.describe(what, this)
  }
}

/**
 * The network edge (Cloudflare) refused the request before it reached the backend.
 *
 * @since 0.1.0
 * @category errors
 */
export class EdgeBlocked extends Failure.Class<EdgeBlocked>("@effect-codex/transport/EdgeBlocked", "account")(
  "EdgeBlocked",
  {
    ...fields,
    status: Schema.Number
  }
) {
  override get message(): string {
    return Failure.describe(
      `The network edge refused the request (HTTP ${this.status}). Use another network or region, and keep a user agent set.`,
      this
    )
  }
}

/**
 * The access token was refused, and so was the renewed one.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unauthorized extends Failure.Class<Unauthorized>("@effect-codex/transport/Unauthorized", "account")(
  "Unauthorized",
  fields
) {
  override get message(): string {
    return Failure.describe("The access token was refused, even after it was renewed; log in again.", this)
  }
}

/**
 * The workspace's origin and routing could not be determined (`workspaceRouting`).
 *
 * @since 0.1.0
 * @category errors
 */
export class RoutingFailed extends Failure.Class<RoutingFailed>("@effect-codex/transport/RoutingFailed", "account")(
  "RoutingFailed",
  { ...fields, reason: Schema.Literal("account", "origin", "override", "answer") }
) {
  override get message(): string {
    const what = {
      account: "the account is not listed exactly once",
      origin: "its origin is not an https origin of OpenAI's domains (`workspaceDomains` allows others)",
      override: "its routing override is unknown",
      answer: "the response has an unexpected shape"
    }[this.reason]
    return Failure.describe(
      `The workspace's route could not be found: ${what}. Log in to the right workspace, or turn \`workspaceRouting\` off.`,
      this
    )
  }
}

/**
 * The configuration is invalid. `problems` lists all problems, each with the setting and the fix.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidConfig extends Failure.Class<InvalidConfig>("@effect-codex/transport/InvalidConfig", "account")(
  "InvalidConfig",
  { problems: Schema.Array(Schema.String) }
) {
  override get message(): string {
    return `The configuration is not valid: ${this.problems.join("; ")}.`
  }
}

/**
 * All errors of this package.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TransportError = Schema.Union(
  ConnectionFailed,
  TimedOut,
  StreamIdle,
  HttpFailure,
  EdgeBlocked,
  Unauthorized,
  RoutingFailed,
  InvalidConfig,
  ...ServiceError.ServiceError.members
)

/**
 * @since 0.1.0
 * @category errors
 */
export type TransportError =
  | ConnectionFailed
  | TimedOut
  | StreamIdle
  | HttpFailure
  | EdgeBlocked
  | Unauthorized
  | RoutingFailed
  | InvalidConfig
  | ServiceError.ServiceError

/**
 * Whether a value is an error of this package.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTransportError: (u: unknown) => u is TransportError = Schema.is(TransportError)
