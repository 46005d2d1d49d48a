/**
 * Delays signals that would end the process while a login could be lost.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Signal handling of the runtime. Does nothing without a Layer.
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
   * Delays signals that would end the process (a closed terminal, a second Ctrl-C) until the scope closes. Programs
   * that handle a signal themselves receive it as usual.
   */
  readonly hold: Effect.Effect<void, never, Scope.Scope>
}
