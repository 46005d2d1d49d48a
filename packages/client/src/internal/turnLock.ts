/** A lock that runs the turns of a conversation one at a time. */
import { ServiceError } from "@effect-codex/schema"
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as FiberId from "effect/FiberId"
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

/** The turns that the current fiber is part of. */
const currentTurns = FiberRef.unsafeMake<ReadonlyArray<object>>([])

export const make: Effect.Effect<TurnLock> = Effect.map(Effect.makeSemaphore(1), (turns): TurnLock => {
  let holder: { readonly fiber: FiberId.FiberId } | undefined
  /** Fails instead of deadlocking when the caller is part of the turn that holds the lock. */
  const unlessOwnTurn = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | ServiceError.InvalidRequest, R> =>
    Effect.fiberIdWith((id) =>
      Effect.flatMap(FiberRef.get(currentTurns), (turns): Effect.Effect<A, E | ServiceError.InvalidRequest, R> => {
        if (holder === undefined) return self
        if (Equal.equals(holder.fiber, id)) return Effect.fail(invalid(duringStream))
        return turns.includes(holder) ? Effect.fail(invalid(duringHandler)) : self
      })
    )
  const setHolder = Effect.fiberIdWith((fiber) =>
    Effect.sync(() => {
      holder = { fiber }
    })
  )
  const clearHolder = Effect.sync(() => {
    holder = undefined
  })
  return {
    acquire: unlessOwnTurn(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.zipRight(restore(turns.take(1)), setHolder), () => {
          let held = true
          const release = Effect.suspend(() => {
            if (!held) return Effect.void
            held = false
            return Effect.zipRight(clearHolder, turns.release(1))
          })
          return Effect.as(
            Effect.addFinalizer(() => release),
            release
          )
        })
      )
    ),
    withLock: (self) =>
      unlessOwnTurn(turns.withPermits(1)(Effect.zipRight(setHolder, Effect.ensuring(self, clearHolder)))),
    partOfTurn: (self) =>
      Effect.suspend(() =>
        holder === undefined ? self : Effect.locallyWith(self, currentTurns, Array.append(holder as object))
      )
  }
})
