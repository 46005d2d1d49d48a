/**
 * When and how often a failed request is sent again.
 *
 * The policy is a `Schedule` over failures and can be replaced by any other one. Whatever the schedule, what is final is
 * not retried, no retry comes sooner than the server asked for (unless `longRetryAfter: "cap"` allows it), and a deadline
 * is never slept past.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import * as Metrics from "./Metrics.ts"

/**
 * What a policy looks at; every error of this library has it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure {
  readonly _tag: string
  readonly isRetryable: boolean
  /** How long the server asked to wait. */
  readonly retryAfter?: Duration.Duration | undefined
  /** The HTTP status, if there was one. */
  readonly status?: number | undefined
  /** Whether something of the turn had been shown. */
  readonly shown?: boolean | undefined
}

/**
 * How the default schedule waits: `baseDelay · factor^n`, at most `maxDelay`, times a random number in `1 ± jitter`; or
 * exactly what the server asked for.
 *
 * An outage (no connection, or HTTP 5xx, while nothing of the turn was shown) has a budget of its own, with more and
 * shorter waits: the request is fine, and somebody is working on the rest. The Codex CLI survives 20 s of it (protocol
 * N.2), and so does the default.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryPolicy {
  /** How often a request may be sent again: 3 means four requests at most. 0 turns all retries off. */
  readonly retries: number
  /** The wait before the first retry, 1 s. */
  readonly baseDelay: Duration.Duration
  /** How often it may be sent again in an outage, 7. */
  readonly outageRetries: number
  /** The wait before the first retry in an outage, 0.2 s: together the waits are about 25 s. */
  readonly outageBaseDelay: Duration.Duration
  /** By how much each wait is longer than the one before, 2. */
  readonly factor: number
  /** 0 … 1; 0.2, the default, varies every wait by ± 20 %. Never applied to the server's own delay. */
  readonly jitter: number
  /** The longest wait of our own, after the jitter, 60 s. */
  readonly maxDelay: Duration.Duration
  /** The longest wait the server may ask for, 60 s. */
  readonly maxRetryAfter: Duration.Duration
  /**
   * What to do when the server asks for more: `fail` at once, with the time in the error, or `cap` the wait at
   * `maxRetryAfter` and so retry sooner than told.
   */
  readonly longRetryAfter: "fail" | "cap"
}

/**
 * Three retries after about 1, 2 and 4 seconds; in an outage seven after about 0.2, 0.4, … 12.8 seconds.
 *
 * @since 0.1.0
 * @category configuration
 */
export const defaults: RetryPolicy = {
  retries: 3,
  baseDelay: Duration.seconds(1),
  outageRetries: 7,
  outageBaseDelay: Duration.millis(200),
  factor: 2,
  jitter: 0.2,
  maxDelay: Duration.seconds(60),
  maxRetryAfter: Duration.seconds(60),
  longRetryAfter: "fail"
}

/**
 * A schedule over failures. The output is ignored.
 *
 * @since 0.1.0
 * @category models
 */
export type RetrySchedule = Schedule.Schedule<unknown, Failure>

/** What the server asked for, as far as the policy goes along; `undefined` when it asks for too much. */
const serverDelay = (policy: RetryPolicy, asked: Duration.Duration): Duration.Duration | undefined =>
  Duration.lessThanOrEqualTo(asked, policy.maxRetryAfter)
    ? asked
    : policy.longRetryAfter === "cap"
      ? policy.maxRetryAfter
      : undefined

/**
 * The policy as a `Schedule`, for `Effect.retry` and for {@link start}.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RetryPolicy, type TransportError } from "@effect-codex/transport"
 * import { Effect } from "effect"
 *
 * declare const request: Effect.Effect<string, TransportError.TransportError>
 *
 * const patient = Effect.retry(request, RetryPolicy.schedule({ ...RetryPolicy.defaults, retries: 6 }))
 * ```
 */
export const schedule = (policy: RetryPolicy): Schedule.Schedule<Duration.Duration, Failure> =>
  Schedule.makeWithState({ retries: 0, outageRetries: 0 }, (now, failure: Failure, used) => {
    const isOut = isOutage(failure)
    const retry = isOut ? used.outageRetries : used.retries
    const next = isOut ? { ...used, outageRetries: retry + 1 } : { ...used, retries: retry + 1 }
    const wait = (delay: Duration.Duration): Step => [
      next,
      delay,
      ScheduleDecision.continueWith(ScheduleInterval.after(now + Duration.toMillis(delay)))
    ]
    const stop: Step = [used, Duration.zero, ScheduleDecision.done]
    const most = policy.retries === 0 ? 0 : isOut ? policy.outageRetries : policy.retries
    if (retry >= most || !failure.isRetryable) return Effect.succeed(stop)
    if (failure.retryAfter !== undefined) {
      const asked = serverDelay(policy, failure.retryAfter)
      return Effect.succeed(asked === undefined ? stop : wait(asked))
    }
    const base = Duration.toMillis(isOut ? policy.outageBaseDelay : policy.baseDelay)
    return Effect.map(Random.nextRange(1 - policy.jitter, 1 + policy.jitter), (random) =>
      wait(
        Duration.millis(
          Math.min(Math.round(base * policy.factor ** retry * random), Duration.toMillis(policy.maxDelay))
        )
      )
    )
  })

type Step = [
  state: { readonly retries: number; readonly outageRetries: number },
  delay: Duration.Duration,
  decision: ScheduleDecision.ScheduleDecision
]

/** Nothing is wrong with the request: the service is away. A server that names a time is not. */
const isOutage = ({ _tag, retryAfter, shown, status }: Failure): boolean =>
  shown !== true && retryAfter === undefined && (_tag === "ConnectionFailed" || (status !== undefined && status >= 500))

/**
 * The retries of one request, step by step.
 *
 * @since 0.1.0
 * @category models
 */
export interface Retries {
  /**
   * How long to wait before sending again, or the failure itself when there is no further retry: it is final, the
   * schedule is done, the server asks for too much, or the wait would end after the deadline. The caller does the
   * waiting; the retry is counted and logged here. `shown` says whether something of the turn had been shown.
   */
  readonly next: <E extends Failure>(
    failure: E,
    options?: { readonly shown?: boolean }
  ) => Effect.Effect<Duration.Duration, E>
}

/** What a schedule looks at. */
const seen = ({ _tag, isRetryable, retryAfter, status }: Failure, shown: boolean): Failure => ({
  _tag,
  isRetryable,
  retryAfter,
  status,
  shown
})

/**
 * Starts the one retry budget of one request. `schedule` replaces the policy's own; its waits are lengthened to what the
 * server asked for. `deadline` is in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  policy: RetryPolicy,
  options: { readonly schedule?: RetrySchedule | undefined; readonly deadline?: number | undefined } = {}
): Effect.Effect<Retries> =>
  Effect.sync((): Retries => {
    let steps: RetrySchedule | undefined
    let state: unknown
    let retry = 0
    return {
      next: Effect.fnUntraced(function* (failure, { shown = false } = {}) {
        const asked = failure.retryAfter === undefined ? Duration.zero : serverDelay(policy, failure.retryAfter)
        if (!failure.isRetryable || asked === undefined) return yield* Effect.fail(failure)
        const now = yield* Clock.currentTimeMillis
        if (steps === undefined) {
          steps = options.schedule ?? schedule(policy)
          state = steps.initial
        }
        const [nextState, , decision] = yield* steps.step(now, seen(failure, shown), state)
        state = nextState
        if (ScheduleDecision.isDone(decision)) return yield* Effect.fail(failure)
        const wait = Math.max(ScheduleIntervals.start(decision.intervals) - now, Duration.toMillis(asked))
        if (options.deadline !== undefined && now + wait >= options.deadline) return yield* Effect.fail(failure)
        const delay = Duration.millis(wait)
        retry++
        yield* Metric.increment(Metric.tagged(Metrics.retries, "error.type", failure._tag))
        yield* Effect.logDebug("The request failed and is sent again").pipe(
          Effect.annotateLogs({ error: failure._tag, retry, delay: Duration.format(delay) })
        )
        return delay
      })
    }
  })
