/**
 * Everything that can go wrong with one request, as one tagged union: what the backend states ({@link ServiceError} of
 * the schema package) and what happens on the way to it and back.
 *
 * No member holds a request, a response or an error of the HTTP client: those carry the access token.
 *
 * @since 0.1.0
 */
import * as Failure from "@effect-codex/schema/Failure"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const fields = {
  /** Bytes of the response body that had arrived. */
  bytesReceived: optional(Schema.Number),
  /** Milliseconds since the request was begun. */
  elapsedMillis: optional(Schema.Number)
}

/**
 * How far a request had come: `request` before anything was sent, `headers` while waiting for the response headers
 * (connecting included, where the HTTP client does not tell), `body` while reading the body.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Phase = Schema.Literal("request", "headers", "body")

const connectionReasons = {
  refused: "Nothing listens there. Check the base URL, the proxy settings and that the service is up",
  reset: "The connection was cut. Try again; if it lasts, look for a proxy or firewall in between",
  dns: "The host name could not be resolved. Check the base URL and the network",
  unreachable: "The network or the host cannot be reached. Check the network",
  tls: "The TLS certificate was not accepted. If a proxy inspects traffic, add its CA certificate (`extraCertificates` or NODE_EXTRA_CA_CERTS)",
  proxy: "The proxy refused the connection. Check HTTPS_PROXY and its credentials",
  protocol: "The answer is not valid HTTP or its headers are too large. Check that the base URL names the backend",
  url: "The URL is not valid. Check the base URL",
  unknown: "Try again; if it lasts, check the network"
} as const

/**
 * The connection failed: it could not be made, or broke.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionFailed extends Failure.Class<ConnectionFailed>(
  "@effect-codex/transport/ConnectionFailed",
  "account"
)("ConnectionFailed", {
  ...fields,
  reason: Schema.Literal("refused", "reset", "dns", "unreachable", "tls", "proxy", "protocol", "url", "unknown"),
  phase: Phase,
  /** The system's word for it, such as `ECONNREFUSED`. */
  systemCode: optional(Schema.String)
}) {
  /** Certificates, proxies and URLs do not mend themselves. */
  override get isRetryable(): boolean {
    return !["tls", "proxy", "protocol", "url"].includes(this.reason)
  }
  override get message(): string {
    const when = this.phase === "body" ? "while the answer was arriving" : "before an answer came"
    const code = this.systemCode === undefined ? "" : `, ${this.systemCode}`
    return Failure.describe(
      `The connection failed ${when} (${this.reason}${code}). ${connectionReasons[this.reason]}.`,
      this
    )
  }
}

/**
 * A time limit passed: `connect` (no connection), `headers` (no response headers), `total` (the whole request with its
 * body, or the caller's deadline).
 *
 * @since 0.1.0
 * @category errors
 */
export class TimedOut extends Failure.Class<TimedOut>("@effect-codex/transport/TimedOut")("TimedOut", {
  ...fields,
  phase: Schema.Literal("connect", "headers", "total"),
  /** The limit that passed, where it is known. */
  limitMillis: optional(Schema.Number)
}) {
  /** The total limit is the caller's own. */
  override get isRetryable(): boolean {
    return this.phase !== "total"
  }
  override get message(): string {
    const limit = this.limitMillis === undefined ? "" : ` within ${Duration.format(Duration.millis(this.limitMillis))}`
    const what = {
      connect: `No connection was made${limit}. Check the network and the proxy settings.`,
      headers: `The server did not begin to answer${limit}. Try again, or raise \`timeouts.headers\`.`,
      total: `The request was not finished${limit}. Raise \`timeouts.total\` or the deadline.`
    }[this.phase]
    return Failure.describe(what, this)
  }
}

/**
 * The stream went silent: no `bytes` at all, or bytes (keep-alives) but no `progress`.
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

const unreadable = { tooLarge: "a document that is too large", notJson: "a document that is not JSON" }

const retryableStatus: ReadonlySet<number> = new Set([408, 429])

/**
 * An HTTP status that no other member stands for. Redirects are among them: they are never followed.
 *
 * @since 0.1.0
 * @category errors
 */
export class HttpFailure extends Failure.Class<HttpFailure>("@effect-codex/transport/HttpFailure", "account")(
  "HttpFailure",
  {
    ...fields,
    status: Schema.Number,
    /** The origin a redirect leads to. */
    location: optional(Schema.String),
    /**
     * `handshake`: the server refused a WebSocket. The others say what is wrong with a document whose status is fine.
     */
    reason: optional(Schema.Literal("handshake", "tooLarge", "notJson"))
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
          ? `The server answered HTTP ${status} with ${reason === undefined ? "something else than was asked for" : unreadable[reason]}. Check that the base URL names the backend.`
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
 * The access token was refused, and so was the one recovery brought.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unauthorized extends Failure.Class<Unauthorized>("@effect-codex/transport/Unauthorized", "account")(
  "Unauthorized",
  fields
) {
  override get message(): string {
    return Failure.describe("The access token was refused, also after renewing it; log in again.", this)
  }
}

/**
 * The workspace's origin and routing could not be found out (`workspaceRouting`).
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
      override: "its routing override is not known here",
      answer: "the answer has an unexpected shape"
    }[this.reason]
    return Failure.describe(
      `The workspace's route could not be found: ${what}. Log in to the right workspace, or turn \`workspaceRouting\` off.`,
      this
    )
  }
}

/**
 * The configuration cannot work. `problems` are all of them, each naming the setting and what to do.
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
 * Any failure of this package.
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
 * Tells the errors of this package from any other value.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTransportError: (u: unknown) => u is TransportError = Schema.is(TransportError)
