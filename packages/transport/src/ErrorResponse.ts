/**
 * Status, headers and body of an unwelcome answer → one member of the error union (protocol E.1).
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
 * An unsuccessful response. Header names are in lower case; `body` is as much of the text as was read.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErrorResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/**
 * What the answer itself does not say. `now` is in milliseconds since 1970; `secrets` are texts to remove from whatever
 * the server quotes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  readonly now: number
  readonly model?: string | undefined
  readonly secrets: ReadonlyArray<string>
}

/** The code that identity failures carry in a header, as base64 of `{"error":{"code":…}}`. */
const headerCode = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined
  const json = Either.getOrUndefined(Encoding.decodeBase64String(header))
  return json === undefined ? undefined : ErrorStatement.fromText(json).code
}

/** When a used-up plan can be used again, unless that is past. */
const resetTime = (
  statement: ErrorStatement.ErrorStatement,
  limits: RateLimits.RateLimits | undefined,
  now: number
): number | undefined => {
  const time = statedReset(statement, limits)
  return time !== undefined && time > now ? time : undefined
}

/** What the body says, else the window that is full (E.4). */
const statedReset = (
  statement: ErrorStatement.ErrorStatement,
  limits: RateLimits.RateLimits | undefined
): number | undefined => {
  if (statement.resetsAt !== undefined) return statement.resetsAt
  const windows = (limits?.limits ?? [])
    .filter((limit) => limit.limitId === (limits?.activeLimit ?? "codex"))
    .flatMap((limit) => limit.windows)
  const full = windows.filter((window) => window.usedPercent >= 100 || window.windowMinutes === statement.windowMinutes)
  const resets = full.flatMap((window) => window.resetsAt ?? [])
  return resets.length === 0 ? undefined : Math.max(...resets)
}

const requestFaults: ReadonlySet<number> = new Set([400, 404, 409, 413, 415, 422])

const edgeText = /cloudflare|challenge-platform|cf-chl|just a moment/i

/** A challenge can have a status of success. */
const isEdge = ({ body, headers, status }: ErrorResponse): boolean =>
  headers["cf-mitigated"] !== undefined ||
  ((status === 403 || status < 300) && ErrorStatement.isPage(body) && edgeText.test(body))

/** The longest text that is kept of what the server says. */
const textLimit = 500

/** A server's text without secrets; cut last, so that no half of a secret is left over. */
const cleaner =
  (secrets: ReadonlyArray<string>) =>
  (text: string | undefined): string | undefined => {
    if (text === undefined) return undefined
    const scrubbed = Redaction.scrub(text, { secrets, limit: Number.POSITIVE_INFINITY })
    return scrubbed.length > textLimit ? `${scrubbed.slice(0, textLimit)}…` : scrubbed
  }

/** Where a redirect leads, as an origin: the rest of the URL may hold anything. */
const originOf = (location: string | undefined): string | undefined =>
  location !== undefined && URL.canParse(location) ? new URL(location).origin : undefined

/**
 * The support ids of an answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const ids = (headers: ErrorResponse["headers"]): { readonly requestId?: string; readonly cfRay?: string } =>
  defined({ requestId: headers["x-request-id"] ?? headers["x-oai-request-id"], cfRay: headers["cf-ray"] })

/**
 * The error an answer stands for: a 401 is `Unauthorized`, the network edge `EdgeBlocked`; then the server's codes
 * decide (protocol D.7 and E.1), and where there is none, the status.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toError = (response: ErrorResponse, context: Context): TransportError => {
  const { headers } = response
  const statement = ErrorStatement.fromText(response.body, context.now)
  // a body can state another status than a success has
  const status = response.status < 300 ? (statement.status ?? response.status) : response.status
  const rateLimits = RateLimits.fromHeaders(headers, context.now)
  const clean = cleaner(context.secrets)
  const stated: ServiceError.Facts = {
    ...ids(headers),
    status,
    code: clean(statement.code ?? headerCode(headers["x-error-json"])),
    // "invalid_request_error" stands in many answers; only of these statuses does it name the cause.
    type: statement.type === "invalid_request_error" && !requestFaults.has(status) ? undefined : clean(statement.type),
    message: clean(statement.message ?? headers["x-openai-authorization-error"]),
    param: clean(statement.param),
    model: context.model,
    planType: clean(statement.planType),
    resetsAt: resetTime(statement, rateLimits, context.now),
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
  return classified ?? new HttpFailure({ ...fields, ...defined({ location: originOf(headers["location"]) }) })
}
