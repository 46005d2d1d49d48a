/**
 * When and how often a failed request is sent again.
 *
 * The policy is a `Schedule` over failures and can be replaced by any other one. Whatever the schedule, what is final is
 * not retried, no retry comes sooner than the server asked for, and a deadline is never slept past.
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
}

/**
 * How the default schedule waits: `baseDelay · factor^n`, at most `maxDelay`, times a random number in `1 ± jitter`; or
 * exactly what the server asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryPolicy {
  /** How often a request may be sent again: 3 means four requests at most. */
  readonly retries: number
  /** The wait before the first retry, 1 s. */
  readonly baseDelay: Duration.Duration
  /** By how much each wait is longer than the one before, 2. */
  readonly factor: number
  /** 0 … 1; 0.5 varies every wait by ± 50 %. Never applied to the server's own delay. */
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
 * Three retries after about 1, 2 and 4 seconds.
 *
 * @since 0.1.0
 * @category configuration
 */
export const defaults: RetryPolicy = {
  retries: 3,
  baseDelay: Duration.seconds(1),
  factor: 2,
  jitter: 0.5,
  maxDelay: Duration.seconds(60),
  maxRetryAfter: Duration.seconds(60),
  longRetryAfter: "fail"
}

/**
 * A schedule over failures. Its output is of no interest.
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
  Schedule.makeWithState(0, (now, failure: Failure, retry) => {
    const wait = (delay: Duration.Duration): [number, Duration.Duration, ScheduleDecision.ScheduleDecision] => [
      retry + 1,
      delay,
      ScheduleDecision.continueWith(ScheduleInterval.after(now + Duration.toMillis(delay)))
    ]
    const stop: [number, Duration.Duration, ScheduleDecision.ScheduleDecision] = [
      retry,
      Duration.zero,
      ScheduleDecision.done
    ]
    if (retry >= policy.retries || !failure.isRetryable) return Effect.succeed(stop)
    if (failure.retryAfter !== undefined) {
      const asked = serverDelay(policy, failure.retryAfter)
      return Effect.succeed(asked === undefined ? stop : wait(asked))
    }
    return Effect.map(Random.nextRange(1 - policy.jitter, 1 + policy.jitter), (random) => {
      const backoff = Duration.toMillis(policy.baseDelay) * policy.factor ** retry * random
      return wait(Duration.millis(Math.min(Math.round(backoff), Duration.toMillis(policy.maxDelay))))
    })
  })

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
   * waiting; the retry is counted and logged here.
   */
  readonly next: <E extends Failure>(failure: E) => Effect.Effect<Duration.Duration, E>
}

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
    const steps: RetrySchedule = options.schedule ?? schedule(policy)
    let state: unknown = steps.initial
    let retry = 0
    return {
      next: Effect.fnUntraced(function* (failure) {
        const asked = failure.retryAfter === undefined ? Duration.zero : serverDelay(policy, failure.retryAfter)
        if (!failure.isRetryable || asked === undefined) return yield* Effect.fail(failure)
        const now = yield* Clock.currentTimeMillis
        const [nextState, , decision] = yield* steps.step(now, failure, state)
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
