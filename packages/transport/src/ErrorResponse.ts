/**
 * Maps the status, headers and body of an error response to a typed error (protocol E.1).
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as ErrorStatement from "@effect-codex/schema/ErrorStatement"
import * as RateLimits from "@effect-codex/schema/RateLimits"
import * as Redaction from "@effect-codex/schema/Redaction"
import * as RetryAfter from "@effect-codex/schema/RetryAfter"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { EdgeBlocked, HttpFailure, type TransportError, Unauthorized } from "./TransportError.ts"

/**
 * An error response. Header names are in lower case; `body` is the text that was read, possibly truncated.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErrorResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** Set when this is the response to the handshake of a WebSocket. */
  readonly handshake?: boolean
}

/**
 * The context of the response. `now` is in milliseconds since 1970; `secrets` are redacted from the server's texts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  readonly now: number
  readonly model?: string | undefined
  readonly secrets: ReadonlyArray<string>
}

/** The error code of identity failures, sent in a header as base64 of `{"error":{"code":…}}`. */
const headerCode = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined
  const json = Either.getOrUndefined(Encoding.decodeBase64String(header))
  return json === undefined ? undefined : ErrorStatement.fromText(json).code
}

const requestFaults: ReadonlySet<number> = new Set([400, 404, 409, 413, 415, 422])

const edgeText = /cloudflare|challenge-platform|cf-chl|just a moment/i

/** A challenge can have a success status. */
const isEdge = ({ body, headers, status }: ErrorResponse): boolean =>
  headers["cf-mitigated"] !== undefined ||
  ((status === 403 || status < 300) && ErrorStatement.isPage(body) && edgeText.test(body))

/** The maximum length of a server text. */
const textLimit = 500

/** Redacts secrets from a server's text; truncates last, so that no partial secret remains. */
const cleaner =
  (secrets: ReadonlyArray<string>) =>
  (text: string | undefined): string | undefined => {
    if (text === undefined) return undefined
    const scrubbed = Redaction.scrub(text, { secrets, limit: Number.POSITIVE_INFINITY })
    return scrubbed.length > textLimit ? `${scrubbed.slice(0, textLimit)}…` : scrubbed
  }

/** The origin of a redirect's target; the rest of the URL may contain secrets. */
const originOf = (location: string | undefined): string | undefined =>
  location !== undefined && URL.canParse(location) ? new URL(location).origin : undefined

/**
 * The ids for support in a response.
 *
 * @since 0.1.0
 * @category combinators
 */
export const ids = (headers: ErrorResponse["headers"]): { readonly requestId?: string; readonly cfRay?: string } =>
  defined({ requestId: headers["x-request-id"] ?? headers["x-oai-request-id"], cfRay: headers["cf-ray"] })

/**
 * The error of a response: a 401 is `Unauthorized`, a block by the network edge `EdgeBlocked`; otherwise the server's
 * error code decides (protocol D.7 and E.1), or the status if there is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toError = (response: ErrorResponse, context: Context): TransportError => {
  const { headers } = response
  const statement = ErrorStatement.fromText(response.body, context.now)
  // the body of a success can contain an error status
  const status = response.status < 300 ? (statement.status ?? response.status) : response.status
  const rateLimits = RateLimits.fromHeaders(headers, context.now)
  const clean = cleaner(context.secrets)
  const stated: ServiceError.Facts = {
    ...ids(headers),
    status,
    code: clean(statement.code ?? headerCode(headers["x-error-json"])),
    // "invalid_request_error" appears in many responses, but names the cause only for these statuses
    type: statement.type === "invalid_request_error" && !requestFaults.has(status) ? undefined : clean(statement.type),
    message: clean(
      statement.message ??
        headers["x-openai-authorization-error"] ??
        (response.status < 400 ? undefined : ErrorStatement.unread(response.body))
    ),
    param: clean(statement.param),
    model: context.model,
    planType: clean(statement.planType),
    resetsAt: ServiceError.resetOf({ ...statement, rateLimits }, context.now),
    rateLimits,
    retryAfterMillis: RetryAfter.fromHeaders(headers, context.now) ?? statement.retryAfterMillis
  }
  const facts: ServiceError.Facts = {
    ...stated,
    retryAfterMillis: ServiceError.delayOf({ ...stated, message: statement.message })
  }
  const fields = { ...ServiceError.failure(facts), status }
  if (status === 401) return new Unauthorized(fields)
  if (isEdge(response)) return new EdgeBlocked(fields)
  const classified = ServiceError.classify(facts)
  if (status === 413 && (classified === undefined || classified._tag === "InvalidRequest")) {
    return new ServiceError.InvalidRequest({
      ...fields,
      problems: ["The body is too large for the server: shorten the input, or send fewer or smaller images."]
    })
  }
  const location = originOf(headers["location"])
  return (
    classified ??
    new HttpFailure({
      ...fields,
      ...defined({ location }),
      ...(response.handshake === true && { reason: "handshake" })
    })
  )
}
