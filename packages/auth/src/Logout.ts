/**
 * Logout (protocol F.10).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { AuthError } from "./AuthError.ts"
import { AuthStore } from "./AuthStore.ts"
import { OAuth } from "./OAuth.ts"

/**
 * Removes the login from the store and revokes it. Returns whether there was a login. It is removed even if the server
 * cannot be reached.
 *
 * @since 0.1.0
 * @category constructors
 */
export const logout: Effect.Effect<boolean, AuthError, AuthStore | OAuth> = Effect.gen(function* () {
  const store = yield* AuthStore
  const oauth = yield* OAuth
  const login = yield* store.modify((login) => Effect.succeed([login, undefined] as const))
  if (login === undefined) return false
  yield* login.refreshToken === undefined
    ? oauth.revoke(login.accessToken, "access_token")
    : oauth.revoke(login.refreshToken, "refresh_token")
  return true
}).pipe(Effect.withSpan("Logout.logout"))
