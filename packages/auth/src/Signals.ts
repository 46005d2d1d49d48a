/**
 * Signals that end the process, delayed while its end would lose a login.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * What the runtime can do. Without a Layer for it, nothing.
 *
 * @since 0.1.0
 * @category tags
 */
export class Signals extends Context.Reference<Signals>()("@effect-codex/auth/Signals", {
  defaultValue: (): Service => ({ hold: Effect.void })
}) {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Until the scope closes, a signal that would end the process at once (a closed terminal, a second Ctrl-C) waits; then
   * it ends the process. Programs that handle a signal themselves get it as always.
   */
  readonly hold: Effect.Effect<void, never, Scope.Scope>
}
