/**
 * The time for durations and deadlines, in milliseconds. It begins as the time of day and goes on evenly, also when the
 * time of day is set, so that a limit neither passes at once nor hours later.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/**
 * The time of this clock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unsafeNow = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

/**
 * The time of the fiber's clock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const now: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))
