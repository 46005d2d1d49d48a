/**
 * The loopback server that receives the callback of a browser login.
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { LoginFailed } from "./AuthError.ts"

/**
 * @since 0.1.0
 * @category tags
 */
export class CallbackServer extends Context.Tag("@effect-codex/auth/CallbackServer")<CallbackServer, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Serves the app on the loopback address until the scope closes, and returns its origin. Fails with `LoginFailed` and
   * the reason `ports` if no port is free.
   */
  readonly serve: (app: HttpApp.Default) => Effect.Effect<string, LoginFailed, Scope.Scope>
}

/**
 * The callback ports that the login server accepts, in order of preference (protocol F.8).
 *
 * @since 0.1.0
 * @category configuration
 */
export const ports: ReadonlyArray<number> = [1455, 1457]
