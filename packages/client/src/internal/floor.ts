/** Turns of one conversation, one at a time. */
import { ServiceError } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"

export interface Floor {
  /** Waits for the floor and has it until the scope closes, or until the effect it gives is run. */
  readonly take: Effect.Effect<Effect.Effect<void>, ServiceError.InvalidRequest, Scope.Scope>
  /** Has the floor as long as the effect runs. */
  readonly hold: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ServiceError.InvalidRequest, R>
}

const busy = () =>
  new ServiceError.InvalidRequest({
    problems: [
      "The conversation is still streaming, and this call would wait for its own stream: read the stream to its last `TurnCompleted` first."
    ]
  })

export const make: Effect.Effect<Floor> = Effect.map(Effect.makeSemaphore(1), (turns): Floor => {
  let holder: FiberId.FiberId | undefined
  /** Whoever has the floor would wait for itself. */
  const unlessHeld = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | ServiceError.InvalidRequest, R> =>
    Effect.fiberIdWith(
      (id): Effect.Effect<A, E | ServiceError.InvalidRequest, R> =>
        holder !== undefined && Equal.equals(holder, id) ? Effect.fail(busy()) : self
    )
  const occupy = Effect.fiberIdWith((id) =>
    Effect.sync(() => {
      holder = id
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
    hold: (self) => unlessHeld(turns.withPermits(1)(Effect.zipRight(occupy, Effect.ensuring(self, vacate))))
  }
})
