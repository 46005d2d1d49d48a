import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Runs to completion even if the caller is interrupted. The caller waits for it.
 *
 * An uninterruptible region is not enough: fibers forked inside it, for example by a timeout, are still interrupted. So
 * the effect runs in a daemon fiber, and only the wait is uninterruptible.
 */
export const unstoppable = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptible(Effect.flatMap(Effect.forkDaemon(Effect.interruptible(self)), Fiber.join))
