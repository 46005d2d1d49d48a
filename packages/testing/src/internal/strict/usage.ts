/**
 * The usage of an account's limits. A window begins with its first use, fills with tokens, and resets at its end
 * (protocol A.5, B.6, E.4, N.4).
 */
import type { Account, Limit } from "../../StrictBackend.ts"
import type { Json } from "../json.ts"
import { type Refusal, refuse } from "./refusal.ts"

/** The usage of one window. `startedAt` is in milliseconds since 1970. */
export interface Window {
  readonly tokens: number
  readonly startedAt: number
}

export type Slot = "primary" | "secondary"

/** Windows that have begun. */
export type Used = Readonly<Partial<Record<Slot, Window>>>

const slots: ReadonlyArray<Slot> = ["primary", "secondary"]

const defaults: Readonly<Record<Slot, Limit>> = {
  primary: { minutes: 300, tokens: 10_000_000 },
  secondary: { minutes: 10_080, tokens: 100_000_000 }
}

const limitOf = (account: Account, slot: Slot): Limit | undefined => {
  const given = account.limits?.[slot]
  return given === null ? undefined : (given ?? defaults[slot])
}

/** The current state of a window of an account. */
interface Standing {
  readonly slot: Slot
  readonly limit: Limit
  readonly usedPercent: number
  /** In seconds since 1970. */
  readonly resetAt: number
  readonly resetAfter: number
}

const standings = (account: Account, used: Used, now: number): ReadonlyArray<Standing> =>
  slots.flatMap((slot) => {
    const limit = limitOf(account, slot)
    if (limit === undefined) return []
    const length = limit.minutes * 60_000
    const window = used[slot]
    const isRunning = window !== undefined && now < window.startedAt + length
    const resetAt = Math.ceil(((isRunning ? window.startedAt : now) + length) / 1000)
    const usedPercent = isRunning ? Math.round((window.tokens / limit.tokens) * 1000) / 10 : 0
    return [{ slot, limit, usedPercent, resetAt, resetAfter: Math.max(0, resetAt - Math.floor(now / 1000)) }]
  })

/** The state after a turn that used this many tokens. */
export const spend = (account: Account, used: Used, tokens: number, now: number): Used =>
  Object.fromEntries(
    slots.flatMap((slot) => {
      const limit = limitOf(account, slot)
      if (limit === undefined) return []
      const window = used[slot]
      const isRunning = window !== undefined && now < window.startedAt + limit.minutes * 60_000
      const next = isRunning ? { ...window, tokens: window.tokens + tokens } : { tokens, startedAt: now }
      return [[slot, next]]
    })
  )

/** The state with a window filled to this percentage. */
export const fill = (account: Account, used: Used, slot: Slot, percent: number, now: number): Used => {
  const limit = limitOf(account, slot)
  if (limit === undefined) return used
  const window = used[slot]
  const isRunning = window !== undefined && now < window.startedAt + limit.minutes * 60_000
  return {
    ...used,
    [slot]: { tokens: (limit.tokens * percent) / 100, startedAt: isRunning ? window.startedAt : now }
  }
}

/** The full window that ends last. */
const fullOf = (all: ReadonlyArray<Standing>): Standing | undefined =>
  all
    .filter(({ usedPercent }) => usedPercent >= 100)
    .reduce<Standing | undefined>(
      (last, one) => (last === undefined || one.resetAt > last.resetAt ? one : last),
      undefined
    )

const planOf = (account: Account): string => account.planType ?? "plus"

/** Members of a workspace learn that it is their own limit (protocol E.5). */
const reachedType = (account: Account, full: Standing | undefined): string | undefined =>
  full !== undefined && account.structure === "workspace" ? "workspace_member_usage_limit_reached" : undefined

/** The headers of all responses to the account. */
export const headers = (account: Account, used: Used, now: number): Readonly<Record<string, string>> => {
  const all = standings(account, used, now)
  const reached = reachedType(account, fullOf(all))
  return {
    "x-codex-plan-type": planOf(account),
    "x-codex-active-limit": "codex",
    ...Object.fromEntries(
      all.flatMap(({ limit, resetAfter, resetAt, slot, usedPercent }) => [
        [`x-codex-${slot}-used-percent`, String(usedPercent)],
        [`x-codex-${slot}-window-minutes`, String(limit.minutes)],
        [`x-codex-${slot}-reset-at`, String(resetAt)],
        [`x-codex-${slot}-reset-after-seconds`, String(resetAfter)]
      ])
    ),
    "x-codex-credits-has-credits": "false",
    "x-codex-credits-unlimited": "false",
    "x-codex-credits-balance": "",
    ...(reached === undefined ? {} : { "x-codex-rate-limit-reached-type": reached })
  }
}

/** The event with the limits, for a WebSocket, where responses have no headers (protocol D.6). */
export const event = (account: Account, used: Used, now: number): Json => {
  const all = standings(account, used, now)
  const full = fullOf(all)
  const window = (slot: Slot) => {
    const found = all.find((one) => one.slot === slot)
    return found === undefined
      ? null
      : { used_percent: found.usedPercent, window_minutes: found.limit.minutes, reset_at: found.resetAt }
  }
  return {
    type: "codex.rate_limits",
    plan_type: planOf(account),
    limit_name: "codex",
    rate_limits: {
      allowed: full === undefined,
      limit_reached: full !== undefined,
      primary: window("primary"),
      secondary: window("secondary")
    },
    credits: { has_credits: false, unlimited: false, balance: "" }
  }
}

/** The refusal if the plan does not include Codex, or if a window is full. */
export const check = (account: Account, used: Used, now: number): Refusal | undefined => {
  if (account.hasCodex === false) {
    const message = "To use Codex with your ChatGPT plan, upgrade to Plus."
    return refuse(429, { error: { type: "usage_not_included", message, plan_type: planOf(account) } })
  }
  const full = fullOf(standings(account, used, now))
  if (full === undefined) return undefined
  return refuse(429, {
    error: {
      type: "usage_limit_reached",
      message: "The usage limit has been reached",
      plan_type: planOf(account),
      resets_at: full.resetAt,
      resets_in_seconds: full.resetAfter,
      limit_window_minutes: full.limit.minutes,
      eligible_promo: null
    }
  })
}

/** The response of `/wham/usage`. */
export const report = (account: Account, used: Used, now: number): unknown => {
  const all = standings(account, used, now)
  const full = fullOf(all)
  const reached = reachedType(account, full)
  const window = (slot: Slot) => {
    const found = all.find((one) => one.slot === slot)
    return found === undefined
      ? null
      : {
          used_percent: found.usedPercent,
          limit_window_seconds: found.limit.minutes * 60,
          reset_after_seconds: found.resetAfter,
          reset_at: found.resetAt
        }
  }
  return {
    plan_type: planOf(account),
    rate_limit: {
      allowed: full === undefined && account.hasCodex !== false,
      limit_reached: full !== undefined,
      primary_window: window("primary"),
      secondary_window: window("secondary")
    },
    additional_rate_limits: null,
    credits: { has_credits: false, unlimited: false, overage_limit_reached: false, balance: "0" },
    spend_control: { reached: false, individual_limit: null },
    rate_limit_reached_type: reached === undefined ? null : { type: reached, details: "default" },
    rate_limit_reset_credits: { available_count: 0 }
  }
}
