import { defined } from "@effect-codex/schema/Defined"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { AuthError } from "../AuthError.ts"
import { AuthStore } from "../AuthStore.ts"
import * as Credentials from "../Credentials.ts"
import type { Login } from "../Login.ts"
import { OAuth, type Tokens } from "../OAuth.ts"

/** Fails before anybody is bothered when the store could not keep a new login. */
export const checkStore: Effect.Effect<void, AuthError, AuthStore> = Effect.flatMap(AuthStore, (store) =>
  store.modify((login) => Effect.succeed([undefined, login] as const))
)

/** Stores a new login in place of the old one, which is revoked. */
export const keep: (tokens: Tokens) => Effect.Effect<Credentials.Credentials, AuthError, AuthStore | OAuth> =
  Effect.fnUntraced(function* (tokens) {
    const store = yield* AuthStore
    const oauth = yield* OAuth
    const credentials = yield* Credentials.fromTokens(tokens)
    const login: Login = {
      ...tokens,
      accountId: credentials.accountId,
      lastRefresh: yield* Clock.currentTimeMillis,
      ...defined({ expiresAt: credentials.expiresAt })
    }
    const old = yield* store.modify((stored) => Effect.succeed([stored?.refreshToken, login] as const))
    if (old !== undefined && (!tokens.refreshToken || Redacted.value(old) !== Redacted.value(tokens.refreshToken))) {
      yield* oauth.revoke(old, "refresh_token")
    }
    return credentials
  })
