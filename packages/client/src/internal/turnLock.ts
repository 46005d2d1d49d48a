/** A lock that runs the turns of a conversation one at a time. */
import { ServiceError } from "@effect-codex/schema"
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import type * as Scope from "effect/Scope"

export interface TurnLock {
  /** Acquires the lock until the scope closes or the returned effect runs. */
  readonly acquire: Effect.Effect<Effect.Effect<void>, ServiceError.InvalidRequest, Scope.Scope>
  /** Holds the lock while the effect runs. */
  readonly withLock: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ServiceError.InvalidRequest, R>
  /**
   * Marks an effect as part of the current turn: tool handlers run in their own fibers, and the turn waits for them.
   */
  readonly partOfTurn: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const invalid = (problem: string) => new ServiceError.InvalidRequest({ problems: [problem] })

const duringStream =
  "The conversation is still streaming, and this call would wait for its own stream. Read the stream to its last `TurnCompleted` first."
const duringHandler =
  "The conversation waits for the handler that makes this call, and the call would wait for the conversation. Use `fork`, or another conversation."

/** The turns whose handlers, and those whose streams, run the current fiber; it inherits them from its parent. */
const handled = FiberRef.unsafeMake<ReadonlyArray<object>>([])
const streamed = FiberRef.unsafeMake<ReadonlyArray<object>>([])

export const make: Effect.Effect<TurnLock> = Effect.map(Effect.makeSemaphore(1), (turns): TurnLock => {
  let holder: object | undefined
  /** Fails instead of deadlocking when the caller is part of the turn that holds the lock. */
  const unlessOwnTurn = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | ServiceError.InvalidRequest, R> =>
    Effect.flatMap(
      Effect.all([FiberRef.get(handled), FiberRef.get(streamed)]),
      ([handled, streamed]): Effect.Effect<A, E | ServiceError.InvalidRequest, R> => {
        if (holder === undefined) return self
        if (handled.includes(holder)) return Effect.fail(invalid(duringHandler))
        return streamed.includes(holder) ? Effect.fail(invalid(duringStream)) : self
      }
    )
  const setHolder = Effect.sync((): object => {
    holder = {}
    return holder
  })
  const clearHolder = Effect.sync(() => {
    holder = undefined
  })
  return {
    acquire: unlessOwnTurn(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.zipRight(restore(turns.take(1)), setHolder), (own) => {
          let held = true
          const release = Effect.suspend(() => {
            if (!held) return Effect.void
            held = false
            return Effect.all(
              [
                clearHolder,
                turns.release(1),
                FiberRef.update(
                  streamed,
                  Array.filter((turn) => turn !== own)
                )
              ],
              { discard: true }
            )
          })
          return Effect.all([FiberRef.update(streamed, Array.append(own)), Effect.addFinalizer(() => release)], {
            discard: true
          }).pipe(Effect.as(release))
        })
      )
    ),
    withLock: (self) =>
      unlessOwnTurn(turns.withPermits(1)(Effect.zipRight(setHolder, Effect.ensuring(self, clearHolder)))),
    partOfTurn: (self) =>
      Effect.suspend(() => (holder === undefined ? self : Effect.locallyWith(self, handled, Array.append(holder))))
  }
})
