/**
 * When and how often a failed request is retried.
 *
 * The policy is a `Schedule` over failures and can be replaced by any other. With any schedule, non-retryable errors
 * are not retried, the server's delay is respected (unless `longRetryAfter: "cap"` shortens it), and no retry waits
 * past the deadline.
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
 * The input of a policy; every error of this library has these fields.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure {
  readonly _tag: string
  readonly isRetryable: boolean
  /** The delay the server asked for. */
  readonly retryAfter?: Duration.Duration | undefined
  /** The HTTP status, if there was one. */
  readonly status?: number | undefined
  /** Whether output of the turn was already emitted. */
  readonly shown?: boolean | undefined
}

/**
 * The options of the default schedule. The delay is `baseDelay · factor^n`, at most `maxDelay`, times a random number
 * in `1 ± jitter`; or exactly the delay the server asked for.
 *
 * Outages (no connection, or HTTP 5xx, before any output was emitted) have a separate budget with more retries and
 * shorter delays, because the request itself is fine. The Codex CLI survives an outage of 20 s (protocol N.2), and so
 * does the default.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryPolicy {
  /** The maximum number of retries: 3 means at most four requests. 0 disables all retries. */
  readonly retries: number
  /** The delay before the first retry, 1 s. */
  readonly baseDelay: Duration.Duration
  /** The maximum number of retries in an outage, 7. */
  readonly outageRetries: number
  /** The delay before the first retry in an outage, 0.2 s: all delays together are about 25 s. */
  readonly outageBaseDelay: Duration.Duration
  /** The factor between successive delays, 2. */
  readonly factor: number
  /** 0 … 1; 0.2, the default, varies every delay by ± 20 %. Not applied to delays from the server. */
  readonly jitter: number
  /** The maximum computed delay, including jitter, 60 s. */
  readonly maxDelay: Duration.Duration
  /** The maximum delay accepted from the server, 60 s. */
  readonly maxRetryAfter: Duration.Duration
  /**
   * What to do if the server asks for a longer delay: `fail` at once, with the delay in the error, or `cap` the delay
   * at `maxRetryAfter` and retry earlier than asked.
   */
  readonly longRetryAfter: "fail" | "cap"
}

/**
 * Three retries after about 1, 2 and 4 seconds; in an outage, seven after about 0.2, 0.4, … 12.8 seconds.
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

/** The server's delay, if the policy accepts it; `undefined` if it is too long. */
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

/** Whether the service is unavailable. A server that sends a retry delay is not. */
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
   * The delay before the next retry. Fails with the given failure if there is none: the failure is not retryable, the
   * schedule is done, the server's delay is too long, or the delay would end after the deadline. The caller sleeps;
   * this function counts and logs the retry. `shown` says whether output of the turn was already emitted.
   */
  readonly next: <E extends Failure>(
    failure: E,
    options?: { readonly shown?: boolean }
  ) => Effect.Effect<Duration.Duration, E>
}

/** The input of the schedule. */
const seen = ({ _tag, isRetryable, retryAfter, status }: Failure, shown: boolean): Failure => ({
  _tag,
  isRetryable,
  retryAfter,
  status,
  shown
})

/**
 * Starts the retry budget of a request. `schedule` replaces the policy's schedule; its delays are extended to the
 * server's delay. `deadline` is in milliseconds since 1970.
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
        yield* Effect.logDebug("The request failed and will be retried").pipe(
          Effect.annotateLogs({ error: failure._tag, retry, delay: Duration.format(delay) })
        )
        return delay
      })
    }
  })
