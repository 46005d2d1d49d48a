/**
 * Usage of the plan's limits, from response headers (protocol B.6), `codex.rate_limits` events (D.6) and `GET
 * /wham/usage` (A.5, N.4).
 *
 * A window is identified by its length, never by its slot: on some plans the weekly window is the `primary` one.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { defined } from "./Defined.ts"
import * as Wire from "./internal/wire.ts"

/**
 * One window of a limit. `usedPercent` is 0 … 100 (and may exceed it), `windowMinutes` its length (300 is five hours,
 * 10080 a week), `resetsAt` the time it resets, in milliseconds since 1970.
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
export interface RateLimitWindow extends Schema.Schema.Type<typeof RateLimitWindow> {}

/**
 * One limit, for instance `codex` (all models) or `codex_bengalfox` (one model).
 *
 * - `allowed`, `limitReached`: the server's decision, if it sends one.
 * - `normalModelSlug`: the fallback model when a single model's limit is reached.
 * - `receivedAt`: set only if the limit is older than the snapshot that contains it ({@link merge}).
 *
 * @since 0.1.0
 * @category schemas
 */
export const RateLimit = Schema.Struct({
  limitId: Schema.String,
  limitName: Wire.optional(Schema.String),
  windows: Schema.Array(RateLimitWindow),
  allowed: Wire.optional(Schema.Boolean),
  limitReached: Wire.optional(Schema.Boolean),
  normalModelSlug: Wire.optional(Schema.String),
  receivedAt: Wire.optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface RateLimit extends Schema.Schema.Type<typeof RateLimit> {}

/**
 * Credits for usage beyond the plan. `balance` is the server's text, unparsed; `overageLimitReached` is true when the
 * spending limit is reached.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Credits = Schema.Struct({
  hasCredits: Schema.Boolean,
  unlimited: Schema.Boolean,
  balance: Wire.optional(Schema.String),
  overageLimitReached: Wire.optional(Schema.Boolean)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Credits extends Schema.Schema.Type<typeof Credits> {}

/**
 * A workspace's spending limit for this member. Amounts are the server's text, unparsed; `resetsAt` is in milliseconds
 * since 1970.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SpendControl = Schema.Struct({
  reached: Wire.optional(Schema.Boolean),
  individualLimit: Wire.optional(
    Schema.Struct({
      limit: Wire.optional(Schema.String),
      used: Wire.optional(Schema.String),
      remaining: Wire.optional(Schema.String),
      usedPercent: Wire.optional(Schema.Number),
      resetsAt: Wire.optional(Schema.Number)
    })
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export interface SpendControl extends Schema.Schema.Type<typeof SpendControl> {}

/**
 * Whether a model is available now; `availableAt` is when it becomes available again, in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ModelUsage = Schema.Struct({
  model: Schema.String,
  available: Wire.optional(Schema.Boolean),
  availableAt: Wire.optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ModelUsage extends Schema.Schema.Type<typeof ModelUsage> {}

/**
 * A snapshot of everything the server reported about limits. `receivedAt` is its time, in milliseconds since 1970.
 * `reachedType` names the limit that is reached (`workspace_member_credits_depleted`, …), `reachedDetails` holds the
 * server's details about it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RateLimits = Schema.Struct({
  planType: Wire.optional(Schema.String),
  activeLimit: Wire.optional(Schema.String),
  limits: Schema.Array(RateLimit),
  credits: Wire.optional(Credits),
  spendControl: Wire.optional(SpendControl),
  modelUsage: Wire.optional(Schema.Array(ModelUsage)),
  reachedType: Wire.optional(Schema.String),
  reachedDetails: Wire.optional(Schema.String),
  promoMessage: Wire.optional(Schema.String),
  resetCreditsAvailable: Wire.optional(Schema.Number),
  receivedAt: Wire.optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface RateLimits extends Schema.Schema.Type<typeof RateLimits> {}

/**
 * The maximum number of limits and models in a snapshot; the server sends only a few. More are ignored, so a stream of
 * new names cannot grow memory without bound.
 *
 * @since 0.1.0
 * @category configuration
 */
export const maxLimits = 64

/**
 * The window of this many minutes in the given limit (default `codex`), if there is one.
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
  value === true || value === "true" || value === "1" || value === 1
    ? true
    : value === false || value === "false" || value === "0" || value === 0
      ? false
      : undefined

const asText = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

/** The server sends amounts as strings or as numbers. */
const asAmount = (value: unknown): string | undefined => (typeof value === "number" ? String(value) : asText(value))

/** The last time a `Date` can hold. */
const lastDate = 8.64e15

/** Larger times are in milliseconds, not seconds. */
const latestSeconds = 100_000_000_000

/** Converts a time in seconds since 1970, or else a delay in seconds from `now`, to milliseconds since 1970. */
const resetTime = (at: unknown, after: unknown, now: number | undefined): number | undefined => {
  const seconds = asNumber(at)
  const delay = asNumber(after)
  const millis =
    seconds !== undefined
      ? seconds > latestSeconds
        ? seconds
        : seconds * 1000
      : delay !== undefined && now !== undefined
        ? now + delay * 1000
        : undefined
  return millis !== undefined && millis >= 0 && millis <= lastDate ? millis : undefined
}

/** A window, or `undefined` if it is empty: 0 % used, no length and no reset time (B.6). */
const makeWindow = (
  usedPercent: number | undefined,
  minutes: number | undefined,
  resetsAt: number | undefined
): ReadonlyArray<RateLimitWindow> => {
  if (usedPercent === undefined || usedPercent < 0) return []
  const windowMinutes = minutes !== undefined && minutes > 0 ? minutes : undefined
  if (usedPercent === 0 && windowMinutes === undefined && resetsAt === undefined) return []
  return [defined({ usedPercent, windowMinutes, resetsAt })]
}

type Optional<A> = { readonly [K in keyof A]?: A[K] | undefined }

/** A limit, or `undefined` if it is empty. */
const makeLimit = (
  limitId: string,
  windows: ReadonlyArray<RateLimitWindow>,
  more: Optional<Omit<RateLimit, "limitId" | "windows">>
): ReadonlyArray<RateLimit> => {
  const rest = defined(more)
  return windows.length === 0 && Object.keys(rest).length === 0 ? [] : [{ limitId, windows, ...rest }]
}

const makeCredits = (has: unknown, unlimited: unknown, balance: unknown, overage?: unknown): Credits | undefined => {
  const hasCredits = asBoolean(has)
  const isUnlimited = asBoolean(unlimited)
  const overageLimitReached = asBoolean(overage)
  if (hasCredits === undefined && isUnlimited === undefined && overageLimitReached === undefined) return undefined
  return defined({
    hasCredits: hasCredits ?? false,
    unlimited: isUnlimited ?? false,
    balance: asAmount(balance),
    overageLimitReached
  })
}

const creditsOf = (value: unknown): Credits | undefined => {
  const credits = asObject(value)
  return (
    credits &&
    makeCredits(credits["has_credits"], credits["unlimited"], credits["balance"], credits["overage_limit_reached"])
  )
}

const spendControlOf = (value: unknown, now: number | undefined): SpendControl | undefined => {
  const control = asObject(value)
  if (control === undefined) return undefined
  const limit = asObject(control["individual_limit"])
  const individualLimit =
    limit &&
    defined({
      limit: asAmount(limit["limit"]),
      used: asAmount(limit["used"]),
      remaining: asAmount(limit["remaining"]),
      usedPercent: asNumber(limit["used_percent"]),
      resetsAt: resetTime(limit["reset_at"], limit["reset_after_seconds"], now)
    })
  const made = defined({ reached: asBoolean(control["reached"]), individualLimit })
  return Object.keys(made).length === 0 ? undefined : made
}

const modelUsageOf = (value: unknown, now: number | undefined): ReadonlyArray<ModelUsage> | undefined => {
  const models = asObject(value)
  return (
    models &&
    Object.entries(models)
      .slice(0, maxLimits)
      .flatMap(([model, entry]) => {
        const usage = asObject(entry)
        if (usage === undefined) return []
        const at = usage["available_at"]
        const date = typeof at === "string" && asNumber(at) === undefined ? Date.parse(at) : Number.NaN
        return [
          defined({
            model,
            available: asBoolean(usage["available"]),
            availableAt: Number.isNaN(date) ? resetTime(at, undefined, now) : date
          })
        ]
      })
  )
}

/** A string, or an object with the string in `type` when a limit is reached (N.4). */
const reachedOf = (value: unknown): { readonly type: string | undefined; readonly details: string | undefined } => {
  const reached = asObject(value)
  return { type: asText(reached === undefined ? value : reached["type"]), details: asText(reached?.["details"]) }
}

/** The snapshot, or `undefined` if it holds only the time. */
const snapshot = (
  limits: ReadonlyArray<RateLimit>,
  receivedAt: number | undefined,
  more: Optional<Omit<RateLimits, "limits" | "receivedAt">>
): RateLimits | undefined => {
  const rest = defined(more)
  if (limits.length === 0 && Object.keys(rest).length === 0) return undefined
  return { limits: limits.slice(0, maxLimits), ...rest, ...(receivedAt !== undefined && { receivedAt }) }
}

const familyHeader = /^x-(.+)-(?:primary|secondary)-used-percent$/

/**
 * The snapshot in a response's headers (names in lower case), or `undefined` if there is none. `now` is when they were
 * received, in milliseconds since 1970; it is needed to convert "resets after n seconds" to a time. Values that are not
 * numbers are treated as absent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromHeaders = (
  headers: Readonly<Record<string, string | undefined>>,
  now?: number
): RateLimits | undefined => {
  const windowOf = (prefix: string) =>
    makeWindow(
      asNumber(headers[`${prefix}-used-percent`]),
      asNumber(headers[`${prefix}-window-minutes`]),
      resetTime(headers[`${prefix}-reset-at`], headers[`${prefix}-reset-after-seconds`], now)
    )
  const limits: Array<RateLimit> = []
  const families = new Set<string>()
  for (const name in headers) {
    const family = familyHeader.exec(name)?.[1]
    if (family !== undefined && families.size < maxLimits) families.add(family)
  }
  for (const family of families) {
    const windows = [...windowOf(`x-${family}-primary`), ...windowOf(`x-${family}-secondary`)]
    const limitName = asText(headers[`x-${family}-limit-name`])
    limits.push(...makeLimit(family.replaceAll("-", "_"), windows, { limitName }))
  }
  return snapshot(limits, now, {
    planType: asText(headers["x-codex-plan-type"]),
    activeLimit: asText(headers["x-codex-active-limit"]),
    credits: makeCredits(
      headers["x-codex-credits-has-credits"],
      headers["x-codex-credits-unlimited"],
      headers["x-codex-credits-balance"]
    ),
    reachedType: asText(headers["x-codex-rate-limit-reached-type"]),
    promoMessage: asText(headers["x-codex-promo-message"]),
    resetCreditsAvailable: asNumber(headers["x-codex-rate-limit-reset-credits-available"])
  })
}

/**
 * The snapshot in a `codex.rate_limits` event, or `undefined` if there is none. Any part of the event may be `null`.
 * For `now` see {@link fromHeaders}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEvent = (event: unknown, now?: number): RateLimits | undefined => {
  const raw = asObject(event)
  if (raw === undefined) return undefined
  const windowOf = (value: unknown): ReadonlyArray<RateLimitWindow> => {
    const window = asObject(value)
    if (window === undefined) return []
    return makeWindow(
      asNumber(window["used_percent"]),
      asNumber(window["window_minutes"]),
      resetTime(window["reset_at"], window["reset_after_seconds"], now)
    )
  }
  const limits = asObject(raw["rate_limits"])
  const limitId = asText(raw["limit_name"]) ?? asText(raw["metered_limit_name"]) ?? "codex"
  const windows = [...windowOf(limits?.["primary"]), ...windowOf(limits?.["secondary"])]
  const limit = makeLimit(limitId, windows, {
    allowed: asBoolean(limits?.["allowed"]),
    limitReached: asBoolean(limits?.["limit_reached"]),
    normalModelSlug: asText(raw["normal_model_slug"])
  })
  return snapshot(limit, now, { planType: asText(raw["plan_type"]), ...commonOf(raw, now) })
}

/** The fields that events and `/wham/usage` share. */
const commonOf = (raw: Raw, now: number | undefined) => {
  const reached = reachedOf(raw["rate_limit_reached_type"])
  return {
    credits: creditsOf(raw["credits"]),
    spendControl: spendControlOf(raw["spend_control"], now),
    modelUsage: modelUsageOf(raw["model_usage"], now),
    reachedType: reached.type,
    reachedDetails: reached.details
  }
}

/**
 * The snapshot in the response of `GET /wham/usage` (protocol A.5, N.4). Any key may be absent or `null`. For `now` see
 * {@link fromHeaders}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUsage = (json: unknown, now?: number): RateLimits => {
  const raw = asObject(json) ?? {}
  const windowOf = (value: unknown): ReadonlyArray<RateLimitWindow> => {
    const window = asObject(value)
    if (window === undefined) return []
    const seconds = asNumber(window["limit_window_seconds"])
    return makeWindow(
      asNumber(window["used_percent"]),
      seconds === undefined ? undefined : seconds / 60,
      resetTime(window["reset_at"], window["reset_after_seconds"], now)
    )
  }
  const limitOf = (
    limitId: string,
    value: unknown,
    names: Optional<Pick<RateLimit, "limitName" | "normalModelSlug">>
  ): ReadonlyArray<RateLimit> => {
    const limit = asObject(value)
    return makeLimit(limitId, [...windowOf(limit?.["primary_window"]), ...windowOf(limit?.["secondary_window"])], {
      ...names,
      allowed: asBoolean(limit?.["allowed"]),
      limitReached: asBoolean(limit?.["limit_reached"])
    })
  }
  const additional = Array.isArray(raw["additional_rate_limits"]) ? raw["additional_rate_limits"] : []
  const limits = [
    ...limitOf("codex", raw["rate_limit"], {}),
    ...additional.slice(0, maxLimits).flatMap((value: unknown) => {
      const entry = asObject(value)
      const limitName = asText(entry?.["limit_name"])
      const limitId = asText(entry?.["metered_feature"]) ?? limitName
      const normalModelSlug = asText(entry?.["normal_model_slug"])
      return limitId === undefined ? [] : limitOf(limitId, entry?.["rate_limit"], { limitName, normalModelSlug })
    })
  ]
  return (
    snapshot(limits, now, {
      planType: asText(raw["plan_type"]),
      ...commonOf(raw, now),
      resetCreditsAvailable: asNumber(asObject(raw["rate_limit_reset_credits"])?.["available_count"])
    }) ?? { limits: [], ...(now !== undefined && { receivedAt: now }) }
  )
}

const hasReset = (window: RateLimitWindow, now: number): boolean =>
  window.resetsAt !== undefined && window.resetsAt <= now

/**
 * The limits at `now` (milliseconds since 1970): windows whose reset time has passed become unused, and limits they had
 * exhausted are no longer reached.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { RateLimits } from "@effect-codex/schema"
 *
 * const limits: RateLimits.RateLimits = {
 *   limits: [{ limitId: "codex", windows: [{ usedPercent: 100, windowMinutes: 300, resetsAt: 1_000 }] }]
 * }
 * RateLimits.window(RateLimits.current(limits, 2_000), 300)?.usedPercent // 0
 * ```
 */
export const current = (limits: RateLimits, now: number): RateLimits =>
  limits.limits.some((limit) => limit.windows.some((window) => hasReset(window, now)))
    ? { ...limits, limits: limits.limits.map((limit) => currentLimit(limit, now)) }
    : limits

const currentLimit = (limit: RateLimit, now: number): RateLimit => {
  if (!limit.windows.some((window) => hasReset(window, now))) return limit
  const { allowed, limitReached, ...rest } = limit
  const stillFull = limit.windows.some((window) => window.usedPercent >= 100 && !hasReset(window, now))
  return {
    ...rest,
    windows: limit.windows.map((window) =>
      hasReset(window, now) ? defined({ usedPercent: 0, windowMinutes: window.windowMinutes }) : window
    ),
    ...(stillFull && defined({ allowed, limitReached }))
  }
}

/**
 * Merges a newer snapshot: limits, windows and fields in `next` replace the earlier ones, the others are kept.
 * `reachedType` is cleared when `next` contains a limit that is not reached, and no other one is. A kept limit stores
 * its time in its own `receivedAt`; its windows whose reset time has passed become unused. A snapshot holds at most
 * {@link maxLimits} limits: more are ignored.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge = (earlier: RateLimits, next: RateLimits): RateLimits => {
  const now = next.receivedAt
  const news = new Map(next.limits.map((limit) => [limit.limitId, limit]))
  const limits = earlier.limits.map((limit) => {
    const update = news.get(limit.limitId)
    news.delete(limit.limitId)
    const known = now === undefined ? limit : currentLimit(limit, now)
    if (update !== undefined) return mergeLimit(known, update)
    const receivedAt = known.receivedAt ?? earlier.receivedAt
    return receivedAt === undefined || receivedAt === now ? known : { ...known, receivedAt }
  })
  for (const limit of news.values()) {
    if (limits.length >= maxLimits) break
    limits.push(limit)
  }
  const { reachedDetails, reachedType, ...rest } = earlier
  const isOver =
    next.limits.some((limit) => limit.limitReached === false) && !limits.some((limit) => limit.limitReached === true)
  return {
    ...rest,
    ...(!isOver && next.reachedType === undefined && defined({ reachedType, reachedDetails })),
    ...next,
    limits,
    ...(next.credits !== undefined && { credits: { ...earlier.credits, ...next.credits } }),
    ...(next.spendControl !== undefined && { spendControl: { ...earlier.spendControl, ...next.spendControl } }),
    ...(next.modelUsage !== undefined && { modelUsage: mergeModels(earlier.modelUsage ?? [], next.modelUsage) })
  }
}

const mergeLimit = ({ receivedAt: _, ...earlier }: RateLimit, next: RateLimit): RateLimit => {
  const sole = next.windows.length === 1 && earlier.windows.length === 1
  // a single window without a length has the length of its predecessor
  const windows = next.windows.map((window) => {
    const windowMinutes = window.windowMinutes ?? (sole ? earlier.windows[0]?.windowMinutes : undefined)
    return windowMinutes === undefined ? window : { ...window, windowMinutes }
  })
  const named = new Set(windows.map((window) => window.windowMinutes))
  const kept = earlier.windows.filter((window) => !named.has(window.windowMinutes))
  const all = kept.length === 0 ? windows : [...kept, ...windows].sort(byLength)
  return { ...earlier, ...next, windows: all }
}

const byLength = (a: RateLimitWindow, b: RateLimitWindow): number =>
  (a.windowMinutes ?? Number.POSITIVE_INFINITY) - (b.windowMinutes ?? Number.POSITIVE_INFINITY)

const mergeModels = (
  earlier: ReadonlyArray<ModelUsage>,
  next: ReadonlyArray<ModelUsage>
): ReadonlyArray<ModelUsage> => {
  const news = new Map(next.map((usage) => [usage.model, usage]))
  const kept = earlier.filter(({ model }) => !news.has(model))
  return [...next, ...kept].slice(0, maxLimits)
}
