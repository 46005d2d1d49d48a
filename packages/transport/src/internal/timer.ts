import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"

const liveClock = Context.get(DefaultServices.liveServices, Clock.Clock)

/** Calls back after a delay on the fiber's clock, unless it is cancelled. */
export type Timer = (millis: number, callback: () => void) => () => void

/** Node fires longer timeouts immediately. */
const longest = 2_147_483_647

const live: Timer = (millis, callback) => {
  const handle = setTimeout(callback, Math.min(millis, longest))
  return () => clearTimeout(handle)
}

/** Uses `setTimeout` with the live clock, and a sleeping fiber with a test clock. */
export const make = (clock: Clock.Clock): Effect.Effect<Timer> =>
  clock === liveClock
    ? Effect.succeed(live)
    : Effect.map(
        Effect.runtime<never>(),
        (runtime): Timer =>
          (millis, callback) => {
            const sleeping = Effect.zipRight(clock.sleep(Duration.millis(millis)), Effect.sync(callback))
            const fiber = Runtime.runFork(runtime)(Effect.interruptible(sleeping))
            return () => fiber.unsafeInterruptAsFork(FiberId.none)
          }
      )
