import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Runs to the end even when the caller is interrupted meanwhile; the caller waits for it.
 *
 * An uninterruptible region is not enough: an interruption is passed on to the fibers that, for example, a time limit
 * inside the region forks. So this is a daemon fiber, and only waiting for it is uninterruptible.
 */
export const unstoppable = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptible(Effect.flatMap(Effect.forkDaemon(Effect.interruptible(self)), Fiber.join))
