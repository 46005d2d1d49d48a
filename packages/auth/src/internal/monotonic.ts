import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** For measuring how long something takes: the time of day may jump. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) =>
  Number(nanos / 1_000_000n)
)
