/**
 * How long the server asks to wait, from response headers. The form inside a text ("try again in 1.5s") counts only for
 * failures inside a stream (protocol D.7) and is read where those are decoded.
 *
 * @since 0.1.0
 */

const decimal = /^\d+(?:\.\d+)?$/
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/

const number = (text: string | undefined): number | undefined => {
  const trimmed = text?.trim()
  return trimmed !== undefined && decimal.test(trimmed) ? Number(trimmed) : undefined
}

/**
 * Milliseconds to wait: `retry-after-ms`, else `retry-after` in seconds, else `retry-after` as an HTTP date seen from
 * `now` (milliseconds since 1970; a date in the past is no wait). `undefined` when there is none that can be read.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RetryAfter } from "@effect-codex/transport"
 *
 * RetryAfter.fromHeaders({ "retry-after": "2" }, 0) // 2000
 * ```
 */
export const fromHeaders = (headers: Readonly<Record<string, string | undefined>>, now: number): number | undefined => {
  const millis = number(headers["retry-after-ms"])
  if (millis !== undefined) return Math.ceil(millis)
  const text = headers["retry-after"]
  const seconds = number(text)
  if (seconds !== undefined) return Math.ceil(seconds * 1000)
  if (text === undefined || !httpDate.test(text.trim())) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
