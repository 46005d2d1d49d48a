/** What Ctrl-C does: it ends the program, unless something runs that can be cancelled by itself. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

export interface Service {
  /** Runs an effect that Ctrl-C cancels alone, and says so then. While it winds up, Ctrl-C is the program's again. */
  readonly cancellable: <E, R, E2, R2>(
    effect: Effect.Effect<void, E, R>,
    cancelled: Effect.Effect<void, E2, R2>
  ) => Effect.Effect<void, E | E2, R | R2>
}

export class CtrlC extends Context.Tag("@effect-codex/cli/CtrlC")<CtrlC, Service>() {}

/** The service, and what the listener of the signal calls. */
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
