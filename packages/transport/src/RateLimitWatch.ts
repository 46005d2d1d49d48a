/**
 * What is known of the account's rate limits, from every response and stream, for anyone to look at or follow.
 *
 * @since 0.1.0
 */
import * as RateLimits from "@effect-codex/schema/RateLimits"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"

/**
 * The latest snapshot and its changes.
 *
 * @since 0.1.0
 * @category tags
 */
export class RateLimitWatch extends Context.Tag("@effect-codex/transport/RateLimitWatch")<RateLimitWatch, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** What is known now; `undefined` before the first response that says anything. */
  readonly latest: Effect.Effect<RateLimits.RateLimits | undefined>
  /** What is known now, if anything, and every change from now on. */
  readonly changes: Stream.Stream<RateLimits.RateLimits>
  /** Adds what a response or an event reported, at once. Limits it does not name stay. */
  readonly unsafeUpdate: (reported: RateLimits.RateLimits) => void
}

/**
 * A watch that knows nothing yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service> = Effect.map(PubSub.unbounded<RateLimits.RateLimits>(), (changes) => {
  let latest: RateLimits.RateLimits | undefined
  return {
    latest: Effect.sync(() => latest),
    changes: Stream.unwrapScoped(
      Effect.map(Stream.fromPubSub(changes, { scoped: true }), (later) =>
        latest === undefined ? later : Stream.concat(Stream.succeed(latest), later)
      )
    ),
    unsafeUpdate: (reported) => {
      latest = latest === undefined ? reported : RateLimits.merge(latest, reported)
      changes.unsafeOffer(latest)
    }
  }
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RateLimitWatch> = Layer.effect(RateLimitWatch, make)
