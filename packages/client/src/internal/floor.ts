/** Turns of one conversation, one at a time. */
import { ServiceError } from "@effect-codex/schema"
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import type * as Scope from "effect/Scope"

export interface Floor {
  /** Waits for the floor and has it until the scope closes, or until the effect it gives is run. */
  readonly take: Effect.Effect<Effect.Effect<void>, ServiceError.InvalidRequest, Scope.Scope>
  /** Has the floor as long as the effect runs. */
  readonly hold: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ServiceError.InvalidRequest, R>
  /** Marks what runs for the one who has the floor: handlers have fibers of their own, and are waited for. */
  readonly serving: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const busy = (problem: string) => new ServiceError.InvalidRequest({ problems: [problem] })

const streaming =
  "The conversation is still streaming, and this call would wait for its own stream: read the stream to its last `TurnCompleted` first."
const handling =
  "The conversation waits for the handler that makes this call, and the call would wait for the conversation: use `fork`, or another conversation."

/** The turns that a fiber works for. */
const served = FiberRef.unsafeMake<ReadonlyArray<object>>([])

export const make: Effect.Effect<Floor> = Effect.map(Effect.makeSemaphore(1), (turns): Floor => {
  let holder: { readonly fiber: FiberId.FiberId } | undefined
  /** Whoever has the floor would wait for itself. */
  const unlessHeld = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | ServiceError.InvalidRequest, R> =>
    Effect.fiberIdWith((id) =>
      Effect.flatMap(FiberRef.get(served), (turns): Effect.Effect<A, E | ServiceError.InvalidRequest, R> => {
        if (holder === undefined) return self
        if (Equal.equals(holder.fiber, id)) return Effect.fail(busy(streaming))
        return turns.includes(holder) ? Effect.fail(busy(handling)) : self
      })
    )
  const occupy = Effect.fiberIdWith((fiber) =>
    Effect.sync(() => {
      holder = { fiber }
    })
  )
  const vacate = Effect.sync(() => {
    holder = undefined
  })
  return {
    take: unlessHeld(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.zipRight(restore(turns.take(1)), occupy), () => {
          let held = true
          const giveBack = Effect.suspend(() => {
            if (!held) return Effect.void
            held = false
            return Effect.zipRight(vacate, turns.release(1))
          })
          return Effect.as(
            Effect.addFinalizer(() => giveBack),
            giveBack
          )
        })
      )
    ),
    hold: (self) => unlessHeld(turns.withPermits(1)(Effect.zipRight(occupy, Effect.ensuring(self, vacate)))),
    serving: (self) =>
      Effect.suspend(() =>
        holder === undefined ? self : Effect.locallyWith(self, served, Array.append(holder as object))
      )
  }
})
