/** Handles Ctrl-C: it cancels the running effect if that is cancellable, otherwise it ends the program. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

export interface Service {
  /**
   * Runs an effect that Ctrl-C cancels without ending the program. While it is cleaning up, another Ctrl-C ends the
   * program.
   */
  readonly cancellable: <E, R, E2, R2>(
    effect: Effect.Effect<void, E, R>,
    cancelled: Effect.Effect<void, E2, R2>
  ) => Effect.Effect<void, E | E2, R | R2>
}

export class CtrlC extends Context.Tag("@effect-codex/cli/CtrlC")<CtrlC, Service>() {}

/** The service, and the callback of the signal listener. */
export const make = (): Service & { readonly pressed: (end: () => void) => void } => {
  let cancel: (() => void) | undefined
  const press = Effect.async<void>((resume) => {
    const own = () => resume(Effect.void)
    cancel = own
    return Effect.sync(() => {
      if (cancel === own) cancel = undefined
    })
  })
  return {
    cancellable: (effect, cancelled) =>
      Effect.flatMap(Effect.raceFirst(Effect.as(effect, Effect.void), Effect.as(press, cancelled)), (then) => then),
    pressed: (end) => {
      const first = cancel ?? end
      cancel = undefined
      first()
    }
  }
}

/** Ends a program. Runs `whenSlow` if it takes longer than a second, as while a refreshed login is still to be stored. */
export const end = <A, E>(program: Fiber.RuntimeFiber<A, E>, whenSlow: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.zipRight(Effect.forkScoped(Effect.delay(whenSlow, "1 second")), Fiber.interrupt(program)).pipe(
    Effect.scoped,
    Effect.asVoid
  )
