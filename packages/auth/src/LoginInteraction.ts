/**
 * The user interaction of a login. Implemented by a command line, a desktop app or a test.
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
  /** Opens the login page, or shows its address. The address is not secret, but valid only for this login. */
  readonly openPage: (url: string) => Effect.Effect<void>
  /** Shows the code, and the address to enter it. */
  readonly showDeviceCode: (prompt: {
    readonly verificationUrl: string
    readonly userCode: string
  }) => Effect.Effect<void>
  /**
   * Waits for the user to paste the address of the last page, or its code, if the browser cannot reach this computer.
   * Called again with a `problem` if the text was invalid. Use `Effect.never` if pasting is not possible.
   */
  readonly pastedCode: (problem?: string) => Effect.Effect<string>
}
