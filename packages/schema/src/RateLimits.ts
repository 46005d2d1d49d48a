/**
 * How much of the plan's limits is used, from response headers (protocol B.6) and from `codex.rate_limits` events
 * (D.6).
 *
 * A window is told by its length, never by the slot it came in: on some plans the weekly window is the `primary` one.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"

/**
 * One window of a limit. `usedPercent` is 0 … 100 (and may exceed it), `windowMinutes` its length (300 is five hours,
 * 10080 a week), `resetsAt` when it starts anew, in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RateLimitWindow = Schema.Struct({
  usedPercent: Schema.Number,
  windowMinutes: Wire.optional(Schema.Number),
  resetsAt: Wire.optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export type RateLimitWindow = typeof RateLimitWindow.Type

/**
 * One limit, for instance `codex` (all models) or `codex_bengalfox` (one model).
 *
 * @since 0.1.0
 * @category schemas
 */
export const RateLimit = Schema.Struct({
  limitId: Schema.String,
  limitName: Wire.optional(Schema.String),
  windows: Schema.Array(RateLimitWindow)
})

/**
 * @since 0.1.0
 * @category models
 */
export type RateLimit = typeof RateLimit.Type

/**
 * Credits that can be spent beyond the plan. `balance` is the server's own text.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Credits = Schema.Struct({
  hasCredits: Schema.Boolean,
  unlimited: Schema.Boolean,
  balance: Wire.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Credits = typeof Credits.Type

/**
 * Everything the server said about limits at one time.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RateLimits = Schema.Struct({
  planType: Wire.optional(Schema.String),
  activeLimit: Wire.optional(Schema.String),
  limits: Schema.Array(RateLimit),
  credits: Wire.optional(Credits),
  reachedType: Wire.optional(Schema.String),
  promoMessage: Wire.optional(Schema.String),
  resetCreditsAvailable: Wire.optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export type RateLimits = typeof RateLimits.Type

/**
 * The window of about this many minutes in the given limit (default `codex`), if the server named one.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { RateLimits } from "@effect-codex/schema"
 *
 * const limits: RateLimits.RateLimits = {
 *   limits: [{ limitId: "codex", windows: [{ usedPercent: 40, windowMinutes: 10080 }] }]
 * }
 * RateLimits.window(limits, 10080)?.usedPercent // 40
 * ```
 */
export const window = (limits: RateLimits, minutes: number, limitId = "codex"): RateLimitWindow | undefined =>
  limits.limits.find((limit) => limit.limitId === limitId)?.windows.find((w) => w.windowMinutes === minutes)

type Raw = Readonly<Record<string, unknown>>

const asObject = (value: unknown): Raw | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : undefined

const asNumber = (value: unknown): number | undefined => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

const asBoolean = (value: unknown): boolean | undefined =>
  value === true || value === "true" || value === "1"
    ? true
    : value === false || value === "false" || value === "0"
      ? false
      : undefined

const asText = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

const defined = <A extends object>(fields: { readonly [K in keyof A]: A[K] | undefined }): A =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as A

/** The last time a `Date` can hold. */
const lastDate = 8.64e15

/** A window, unless it says nothing: 0 % used and neither a length nor a reset (B.6). */
const makeWindow = (fields: {
  readonly usedPercent: number | undefined
  readonly windowMinutes: number | undefined
  readonly resetsAt: number | undefined
}): ReadonlyArray<RateLimitWindow> => {
  const { usedPercent, windowMinutes } = fields
  const resetsAt = fields.resetsAt !== undefined && Math.abs(fields.resetsAt) <= lastDate ? fields.resetsAt : undefined
  if (usedPercent === undefined) return []
  if (usedPercent === 0 && (windowMinutes ?? 0) === 0 && resetsAt === undefined) return []
  return [
    defined<RateLimitWindow>({ usedPercent, windowMinutes: windowMinutes === 0 ? undefined : windowMinutes, resetsAt })
  ]
}

const makeCredits = (has: unknown, unlimited: unknown, balance: unknown): Credits | undefined => {
  const hasCredits = asBoolean(has)
  const isUnlimited = asBoolean(unlimited)
  if (hasCredits === undefined && isUnlimited === undefined) return undefined
  return defined<Credits>({
    hasCredits: hasCredits ?? false,
    unlimited: isUnlimited ?? false,
    balance: asText(balance)
  })
}

const familySuffix = "-primary-used-percent"

/**
 * The snapshot in a response's headers (names in lower case), or `undefined` when they carry none. `now` (milliseconds
 * since 1970) turns "resets after n seconds" into a time. Values that are no numbers count as absent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromHeaders = (
  headers: Readonly<Record<string, string | undefined>>,
  now: number
): RateLimits | undefined => {
  const seconds = (value: number | undefined) => (value === undefined ? undefined : value * 1000)
  const windowOf = (prefix: string) => {
    const after = asNumber(headers[`${prefix}-reset-after-seconds`])
    return makeWindow({
      usedPercent: asNumber(headers[`${prefix}-used-percent`]),
      windowMinutes: asNumber(headers[`${prefix}-window-minutes`]),
      resetsAt:
        seconds(asNumber(headers[`${prefix}-reset-at`])) ?? (after === undefined ? undefined : now + after * 1000)
    })
  }
  const families = Object.keys(headers).flatMap((name) =>
    name.startsWith("x-") && name.endsWith(familySuffix) ? [name.slice(2, -familySuffix.length)] : []
  )
  const limits = families.flatMap((family): ReadonlyArray<RateLimit> => {
    const windows = [...windowOf(`x-${family}-primary`), ...windowOf(`x-${family}-secondary`)]
    const limitName = asText(headers[`x-${family}-limit-name`])
    if (windows.length === 0 && limitName === undefined) return []
    return [defined<RateLimit>({ limitId: family.replaceAll("-", "_"), limitName, windows })]
  })
  const snapshot = defined<RateLimits>({
    planType: asText(headers["x-codex-plan-type"]),
    activeLimit: asText(headers["x-codex-active-limit"]),
    limits,
    credits: makeCredits(
      headers["x-codex-credits-has-credits"],
      headers["x-codex-credits-unlimited"],
      headers["x-codex-credits-balance"]
    ),
    reachedType: asText(headers["x-codex-rate-limit-reached-type"]),
    promoMessage: asText(headers["x-codex-promo-message"]),
    resetCreditsAvailable: asNumber(headers["x-codex-rate-limit-reset-credits-available"])
  })
  return limits.length === 0 && Object.keys(snapshot).length === 1 ? undefined : snapshot
}

/**
 * The snapshot in a `codex.rate_limits` event, or `undefined` when it holds none. Any part of the event may be `null`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEvent = (event: unknown): RateLimits | undefined => {
  const raw = asObject(event)
  if (raw === undefined) return undefined
  const windowOf = (value: unknown): ReadonlyArray<RateLimitWindow> => {
    const window = asObject(value)
    if (window === undefined) return []
    const resetsAt = asNumber(window["reset_at"])
    return makeWindow({
      usedPercent: asNumber(window["used_percent"]),
      windowMinutes: asNumber(window["window_minutes"]),
      resetsAt: resetsAt === undefined ? undefined : resetsAt * 1000
    })
  }
  const limits = asObject(raw["rate_limits"])
  const windows = [...windowOf(limits?.["primary"]), ...windowOf(limits?.["secondary"])]
  const credits = asObject(raw["credits"])
  const planType = asText(raw["plan_type"])
  if (windows.length === 0 && credits === undefined && planType === undefined) return undefined
  const limitId = asText(raw["limit_name"]) ?? asText(raw["metered_limit_name"]) ?? "codex"
  return defined<RateLimits>({
    planType,
    activeLimit: undefined,
    limits: windows.length === 0 ? [] : [{ limitId, windows }],
    credits: credits && makeCredits(credits["has_credits"], credits["unlimited"], credits["balance"]),
    reachedType: undefined,
    promoMessage: undefined,
    resetCreditsAvailable: undefined
  })
}

/**
 * The snapshot in the answer of `GET /wham/usage` (protocol A.5). Any key of it may be absent or `null`. `now` as in
 * {@link fromHeaders}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUsage = (json: unknown, now: number): RateLimits => {
  const raw = asObject(json) ?? {}
  const windowOf = (value: unknown): ReadonlyArray<RateLimitWindow> => {
    const window = asObject(value)
    if (window === undefined) return []
    const seconds = asNumber(window["limit_window_seconds"])
    const at = asNumber(window["reset_at"])
    const after = asNumber(window["reset_after_seconds"])
    return makeWindow({
      usedPercent: asNumber(window["used_percent"]),
      windowMinutes: seconds === undefined ? undefined : seconds / 60,
      resetsAt: at !== undefined ? at * 1000 : after !== undefined ? now + after * 1000 : undefined
    })
  }
  const limitOf = (limitId: string, limitName: string | undefined, value: unknown): ReadonlyArray<RateLimit> => {
    const limit = asObject(value)
    const windows = [...windowOf(limit?.["primary_window"]), ...windowOf(limit?.["secondary_window"])]
    return windows.length === 0 ? [] : [defined<RateLimit>({ limitId, limitName, windows })]
  }
  const additional = Array.isArray(raw["additional_rate_limits"]) ? raw["additional_rate_limits"] : []
  const credits = asObject(raw["credits"])
  return defined<RateLimits>({
    planType: asText(raw["plan_type"]),
    activeLimit: undefined,
    limits: [
      ...limitOf("codex", undefined, raw["rate_limit"]),
      ...additional.flatMap((value: unknown) => {
        const entry = asObject(value)
        const limitId = asText(entry?.["metered_feature"])
        return limitId === undefined ? [] : limitOf(limitId, asText(entry?.["limit_name"]), entry?.["rate_limit"])
      })
    ],
    credits: credits && makeCredits(credits["has_credits"], credits["unlimited"], credits["balance"]),
    reachedType: asText(raw["rate_limit_reached_type"]),
    promoMessage: undefined,
    resetCreditsAvailable: asNumber(asObject(raw["rate_limit_reset_credits"])?.["available_count"])
  })
}

/**
 * What is known after hearing `next`: limits and fields it names replace the earlier ones, the others stay.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge = (earlier: RateLimits, next: RateLimits): RateLimits => {
  const named = new Set(next.limits.map((limit) => limit.limitId))
  return {
    ...earlier,
    ...next,
    limits: [...earlier.limits.filter((limit) => !named.has(limit.limitId)), ...next.limits]
  }
}
