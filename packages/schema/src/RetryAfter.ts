/**
 * The retry delay the server asks for: in headers (of a response or inside an event) or in text.
 *
 * @since 0.1.0
 */

const decimal = /^\d+(?:\.\d+)?$/
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/

/** The largest valid `Date`. */
const latest = 8_640_000_000_000_000

const within = (millis: number): number | undefined => (millis <= latest ? millis : undefined)

const number = (text: string | undefined): number | undefined => {
  const trimmed = text?.trim()
  return trimmed !== undefined && decimal.test(trimmed) ? Number(trimmed) : undefined
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
  if (millis !== undefined) return within(Math.ceil(millis))
  const text = headers["retry-after"]
  const seconds = number(text)
  if (seconds !== undefined) return within(Math.ceil(seconds * 1000))
  if (text === undefined || !httpDate.test(text.trim())) return undefined
  const date = Date.parse(text)
  const wait = Math.max(0, date - now)
  return Number.isNaN(wait) ? undefined : wait
}

const unitMillis: ReadonlyArray<readonly [unit: RegExp, millis: number]> = [
  [/^(?:ms|msecs?|milliseconds?)$/i, 1],
  [/^(?:s|secs?|seconds?)$/i, 1000],
  [/^(?:m|mins?|minutes?)$/i, 60_000],
  [/^(?:h|hrs?|hours?)$/i, 3_600_000],
  [/^(?:d|days?)$/i, 86_400_000]
]

const part = "\\d{1,15}(?:\\.\\d{1,15})?\\s?(?:[a-z]{1,12})"
const invitation = new RegExp(
  `\\b(?:try again|retry|wait)(?: again)?(?: in| after| for)?(?: about| at least)? ?(${part}(?:(?:,| and|, and)?\\s?${part})*)`,
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
  const asked = invitation.exec(text)?.[1] ?? ""
  let millis: number | undefined
  for (const [, count, unit = ""] of asked.matchAll(/(\d+(?:\.\d+)?)\s?([a-z]+)/gi)) {
    const one = unitMillis.find(([pattern]) => pattern.test(unit))?.[1]
    if (one === undefined) break
    millis = (millis ?? 0) + Number(count) * one
  }
  return millis === undefined ? undefined : within(Math.ceil(millis))
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
