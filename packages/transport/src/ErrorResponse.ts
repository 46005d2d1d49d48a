/**
 * Status, headers and body of an unwelcome answer → one member of the error union (protocol E.1).
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as RateLimits from "@effect-codex/schema/RateLimits"
import * as Redaction from "@effect-codex/schema/Redaction"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as RetryAfter from "./RetryAfter.ts"
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

type Raw = Readonly<Record<string, unknown>>

const asObject = (value: unknown): Raw | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : undefined

const asText = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

const asNumber = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What the body states, whatever its shape. */
interface Statement {
  readonly code?: string | undefined
  readonly type?: string | undefined
  readonly message?: string | undefined
  readonly param?: string | undefined
  readonly planType?: string | undefined
  readonly resetsAt?: number | undefined
  readonly resetsInSeconds?: number | undefined
  readonly windowMinutes?: number | undefined
}

const statementOf = (error: Raw): Statement => ({
  code: asText(error["code"]),
  type: asText(error["type"]),
  message: asText(error["message"]) ?? asText(error["detail"]),
  param: asText(error["param"]),
  planType: asText(error["plan_type"]),
  resetsAt: asNumber(error["resets_at"]),
  resetsInSeconds: asNumber(error["resets_in_seconds"]),
  windowMinutes: asNumber(error["limit_window_minutes"])
})

/** Validation errors come as a list of `{ loc, msg }`. */
const listed = (details: ReadonlyArray<unknown>): Statement => ({
  message: details.flatMap((detail) => asText(asObject(detail)?.["msg"]) ?? asText(detail) ?? []).join("; ")
})

const isHtml = (text: string): boolean => /^\s*<(?:!doctype|html|head|body|title|\?xml)\b/i.test(text)

/** Searched step by step: a pattern that looks for the end of each `<title` again takes quadratic time. */
const htmlTitle = (text: string): string | undefined => {
  const start = text.search(/<title[\s>]/i)
  const open = start === -1 ? -1 : text.indexOf(">", start)
  if (open === -1) return undefined
  const end = text.indexOf("<", open)
  return asText(
    text
      .slice(open + 1, end === -1 ? undefined : end)
      .replace(/\s+/g, " ")
      .trim()
  )
}

const read = (body: string): Statement => {
  const json = parseJson(body)
  const object = asObject(json)
  if (object === undefined) {
    const text = typeof json === "string" ? json : isHtml(body) ? htmlTitle(body) : body
    return { message: asText(text?.trim()) }
  }
  for (const key of ["error", "detail"]) {
    const value = object[key]
    const nested = asObject(value)
    if (nested !== undefined) return statementOf(nested)
    if (Array.isArray(value)) return listed(value)
    const text = asText(value)
    if (text !== undefined) return { message: text, code: asText(object["code"]) }
  }
  return statementOf(object)
}

/** The code that identity failures carry in a header, as base64 of `{"error":{"code":…}}`. */
const headerCode = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined
  const json = Either.getOrUndefined(Encoding.decodeBase64String(header))
  return json === undefined ? undefined : asText(asObject(asObject(parseJson(json))?.["error"])?.["code"])
}

/** When a used-up plan can be used again, unless that is past. */
const resetTime = (said: Statement, limits: RateLimits.RateLimits | undefined, now: number): number | undefined => {
  const time = statedReset(said, limits, now)
  return time !== undefined && time > now ? time : undefined
}

/** What the body says, else the window that is full (E.4). */
const statedReset = (said: Statement, limits: RateLimits.RateLimits | undefined, now: number): number | undefined => {
  if (said.resetsAt !== undefined) return said.resetsAt * 1000
  if (said.resetsInSeconds !== undefined) return now + said.resetsInSeconds * 1000
  const windows = (limits?.limits ?? [])
    .filter((limit) => limit.limitId === (limits?.activeLimit ?? "codex"))
    .flatMap((limit) => limit.windows)
  const full = windows.filter((window) => window.usedPercent >= 100 || window.windowMinutes === said.windowMinutes)
  const resets = full.flatMap((window) => window.resetsAt ?? [])
  return resets.length === 0 ? undefined : Math.max(...resets)
}

const requestFaults: ReadonlySet<number> = new Set([400, 404, 409, 413, 415, 422])

const edgeText = /cloudflare|challenge-platform|cf-chl|just a moment/i

/** A challenge can have a status of success. */
const isEdge = ({ body, headers, status }: ErrorResponse): boolean =>
  headers["cf-mitigated"] !== undefined || ((status === 403 || status < 300) && isHtml(body) && edgeText.test(body))

/** How long the headers ask to wait; the words of a 429 count as well, and the longer time holds. */
const waitOf = ({ headers, status }: ErrorResponse, words: string | undefined, now: number): number | undefined => {
  const times = [
    RetryAfter.fromHeaders(headers, now),
    status === 429 && words !== undefined ? ServiceError.delayInText(words) : undefined
  ].filter((time) => time !== undefined)
  return times.length === 0 ? undefined : Math.max(...times)
}

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
  const { headers, status } = response
  const said = read(response.body)
  const rateLimits = RateLimits.fromHeaders(headers, context.now)
  const clean = cleaner(context.secrets)
  const facts: ServiceError.Facts = {
    ...ids(headers),
    status,
    code: clean(said.code ?? headerCode(headers["x-error-json"])),
    // "invalid_request_error" stands in many answers; only of these statuses does it name the cause.
    type: said.type === "invalid_request_error" && !requestFaults.has(status) ? undefined : clean(said.type),
    message: clean(said.message ?? asText(headers["x-openai-authorization-error"])),
    param: clean(said.param),
    model: context.model,
    planType: clean(said.planType),
    resetsAt: resetTime(said, rateLimits, context.now),
    rateLimits,
    retryAfterMillis: waitOf(response, said.message, context.now)
  }
  const fields = { ...ServiceError.failure(facts), status }
  if (status === 401) return new Unauthorized(fields)
  if (isEdge(response)) return new EdgeBlocked(fields)
  const stated = ServiceError.classify(facts)
  if (stated !== undefined) return stated
  switch (status) {
    case 400:
    case 422:
      return new ServiceError.InvalidRequest({ ...fields, ...defined({ param: facts.param }) })
    case 413:
      return new ServiceError.InvalidRequest({
        ...fields,
        problems: ["The body is too large for the server: shorten the input, or send fewer or smaller images."]
      })
    case 402:
    case 403:
      return new ServiceError.AccessDenied(fields)
    case 503:
      return new ServiceError.ServerOverloaded(fields)
    default:
      return new HttpFailure({ ...fields, ...defined({ location: originOf(headers["location"]) }) })
  }
}
