/**
 * The account's latest rate limits, from all responses and streams.
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
  /** The latest snapshot; `undefined` until a response reports limits. */
  readonly latest: Effect.Effect<RateLimits.RateLimits | undefined>
  /** The latest snapshot, if any, and all later changes. */
  readonly changes: Stream.Stream<RateLimits.RateLimits>
  /** Merges reported limits synchronously. Limits that are not reported are kept. */
  readonly unsafeUpdate: (reported: RateLimits.RateLimits) => void
}

/**
 * Makes an empty watch.
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
