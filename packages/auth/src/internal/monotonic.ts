import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** For measuring durations: the system clock can jump. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) =>
  Number(nanos / 1_000_000n)
)
