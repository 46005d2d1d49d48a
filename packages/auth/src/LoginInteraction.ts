/**
 * How a login talks to the person: a command line, a desktop app and a test each bring their own.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * @since 0.1.0
 * @category tags
 */
export class LoginInteraction extends Context.Tag("@effect-codex/auth/LoginInteraction")<LoginInteraction, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Opens the page to log in on, or shows its address. The address is not a secret, but belongs to this login only. */
  readonly openPage: (url: string) => Effect.Effect<void>
  /** Shows what to type in, and where. */
  readonly showDeviceCode: (prompt: {
    readonly verificationUrl: string
    readonly userCode: string
  }) => Effect.Effect<void>
  /**
   * Waits for the address of the page the browser ended on, or the code in it, for people whose browser cannot reach
   * this computer. Asked again with a `problem` when the text could not be used; `Effect.never` where nobody can paste.
   */
  readonly pastedCode: (problem?: string) => Effect.Effect<string>
}
