/** Checks the timeouts of a request and maps them to errors. */
import * as Duration from "effect/Duration"
import type { Timeouts } from "../CodexConfig.ts"
import { StreamIdle, TimedOut } from "../TransportError.ts"

/** All times are in milliseconds since 1970. */
export interface Limits {
  readonly startedAt: number
  /** The deadline of the request including its body. */
  readonly deadline: number
  /** The limits as durations in milliseconds. */
  readonly headers: number
  readonly idle: number
  readonly progress: number
}

const millis = (duration: Duration.Duration | undefined): number =>
  duration === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(duration)

export const make = (timeouts: Timeouts, startedAt: number, deadline: number | undefined): Limits => ({
  startedAt,
  deadline: deadline ?? Number.POSITIVE_INFINITY,
  headers: millis(timeouts.headers),
  idle: millis(timeouts.idle),
  progress: millis(timeouts.progress)
})

/** The state of the request when a timeout is checked. */
export interface Progress {
  readonly sentAt: number
  /** True once the headers have arrived. */
  readonly inBody: boolean
  /** The time waited since the last bytes, without pauses. */
  readonly silence: number
  /** The time waited since the last progress of the turn, without pauses. */
  readonly standstill: number
}

/** The error of an expired timeout, or the milliseconds until the next check. */
export const check = (
  limits: Limits,
  { inBody, sentAt, silence, standstill }: Progress,
  now: number,
  facts: () => object
): TimedOut | StreamIdle | number => {
  const { deadline, startedAt } = limits
  if (now >= deadline)
    return new TimedOut({ ...facts(), phase: "total", limitMillis: Math.max(0, deadline - startedAt) })
  if (!inBody) {
    const waited = now - sentAt
    return waited >= limits.headers
      ? new TimedOut({ ...facts(), phase: "headers", limitMillis: limits.headers })
      : Math.min(limits.headers - waited, deadline - now)
  }
  if (silence >= limits.idle) return new StreamIdle({ ...facts(), kind: "bytes", idleMillis: silence })
  if (standstill >= limits.progress) return new StreamIdle({ ...facts(), kind: "progress", idleMillis: standstill })
  return Math.min(limits.idle - silence, limits.progress - standstill, deadline - now)
}
