/**
 * What is known of the account's rate limits, from every response and stream, for anyone to look at or follow.
 *
 * @since 0.1.0
 */
import * as RateLimits from "@effect-codex/schema/RateLimits"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"

/**
 * The latest snapshot and its changes.
 *
 * @since 0.1.0
 * @category tags
 */
export class RateLimitWatch extends Context.Tag("@effect-codex/transport/RateLimitWatch")<
  RateLimitWatch,
  RateLimitWatch.Service
>() {}

/**
 * @since 0.1.0
 */
export declare namespace RateLimitWatch {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /** What is known now; `undefined` before the first response that says anything. */
    readonly latest: Effect.Effect<RateLimits.RateLimits | undefined>
    /** What is known now, if anything, and every change from now on. */
    readonly changes: Stream.Stream<RateLimits.RateLimits>
    /** Adds what a response or an event said; limits it does not name stay. */
    readonly update: (heard: RateLimits.RateLimits | undefined) => Effect.Effect<void>
  }
}

/**
 * A watch that knows nothing yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<RateLimitWatch.Service> = Effect.map(
  SubscriptionRef.make<RateLimits.RateLimits | undefined>(undefined),
  (ref) => ({
    latest: SubscriptionRef.get(ref),
    changes: Stream.filter(ref.changes, (limits) => limits !== undefined),
    update: (heard) =>
      heard === undefined
        ? Effect.void
        : SubscriptionRef.update(ref, (known) => (known === undefined ? heard : RateLimits.merge(known, heard)))
  })
)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RateLimitWatch> = Layer.effect(RateLimitWatch, make)
