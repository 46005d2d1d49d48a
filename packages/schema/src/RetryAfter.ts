/**
 * The retry delay the server asks for: in headers (of a response or inside an event) or in text.
 *
 * @since 0.1.0
 */

const decimal = /^\d+(?:\.\d+)?$/
const date = /^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)|\d{4}-\d\d-\d\dT)/
const zone = /(?:[a-z]{3}|Z|[+-]\d\d:?\d\d)$/i

/** A date without a zone, such as that of `asctime`, is in UTC, not in the zone of this machine (RFC 9110). */
const timeOf = (text: string): number =>
  Date.parse(zone.test(text) ? text : text.includes("T") && /^\d/.test(text) ? `${text}Z` : `${text} GMT`)

/** The largest valid `Date`. */
const latest = 8_640_000_000_000_000

const within = (millis: number): number => Math.min(latest, Math.ceil(millis))

/** Where proxies have added one of their own, the longest counts. */
const number = (text: string | undefined): number | undefined => {
  const all = text?.split(",").map((one) => one.trim()) ?? []
  return all.length > 0 && all.every((one) => decimal.test(one)) ? Math.max(...all.map(Number)) : undefined
}

/**
 * The delay in milliseconds: `retry-after-ms`, else `retry-after` in seconds, else `retry-after` as an HTTP date
 * relative to `now` (milliseconds since 1970; 0 for a date in the past). `undefined` if there is no valid one.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RetryAfter } from "@effect-codex/schema"
 *
 * RetryAfter.fromHeaders({ "retry-after": "2" }, 0) // 2000
 * ```
 */
export const fromHeaders = (headers: Readonly<Record<string, string | undefined>>, now: number): number | undefined => {
  const millis = number(headers["retry-after-ms"])
  if (millis !== undefined) return within(millis)
  const text = headers["retry-after"]
  const seconds = number(text)
  if (seconds !== undefined) return within(seconds * 1000)
  if (text === undefined || !date.test(text.trim())) return undefined
  const wait = Math.max(0, timeOf(text.trim()) - now)
  return Number.isNaN(wait) ? undefined : wait
}

const unitMillis: ReadonlyArray<readonly [unit: RegExp, millis: number]> = [
  [/^(?:ms|msecs?|milliseconds?)$/i, 1],
  [/^(?:s|secs?|seconds?)$/i, 1000],
  [/^(?:m|mins?|minutes?)$/i, 60_000],
  [/^(?:h|hrs?|hours?)$/i, 3_600_000],
  [/^(?:d|days?)$/i, 86_400_000],
  [/^(?:w|wks?|weeks?)$/i, 604_800_000]
]

/** Longer texts are not messages; only their beginning is read. */
const maxLength = 65_536

const part = "(?:\\d{1,15}(?:\\.\\d{1,15})?|an?\\s|one\\s)\\s?(?:[a-z]{1,12})"
const request = "(?: (?:the|this|that|your) (?:request|call)| it| this)?"
const asks = `(?:(?:try|retry)${request}(?: again)?|wait)(?:,? (?:in|after|for|within))?:?`
const names = "(?:back off|resets?|available(?: again)?) (?:in|after|for|within)"
const invitation = new RegExp(
  `\\b(?:${asks}|${names})(?: about| approximately| around| at least| another)? ?~?(${part}(?:(?:,| and|, and)?\\s?${part})*)`,
  "i"
)

/**
 * The delay in a message, in milliseconds: "try again in 1.5s", "retry after 1 minute and 20 seconds", "try again in
 * 6m0s" (protocol D.7). `undefined` if there is none, or it cannot be parsed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromText = (text: string): number | undefined => {
  const asked =
    invitation.exec(
      text
        .slice(0, maxLength)
        .replace(/\s+/g, " ")
        .replace(/(\d),(?=\d{3}\b)/g, "$1")
    )?.[1] ?? ""
  let millis: number | undefined
  for (const [, count, unit = ""] of asked.matchAll(/(\d+(?:\.\d+)?|an?\s|one\s)\s?([a-z]+)/gi)) {
    const one = unitMillis.find(([pattern]) => pattern.test(unit))?.[1]
    if (one === undefined) break
    millis = (millis ?? 0) + (/\d/.test(count ?? "") ? Number(count) : 1) * one
  }
  return millis === undefined ? undefined : within(millis)
}

/**
 * Normalizes the headers inside an event or an error: names to lower case, values to strings. Servers send names in any
 * case, and values as numbers or lists too.
 *
 * @since 0.1.0
 * @category combinators
 */
export const headersIn = (value: unknown): Readonly<Record<string, string>> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {}
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, header]) => {
      const one: unknown = Array.isArray(header) ? header[0] : header
      return typeof one === "string" || typeof one === "number" ? [[name.toLowerCase(), String(one)]] : []
    })
  )
}
