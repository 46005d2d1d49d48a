import { defined } from "@effect-codex/schema/Defined"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { type AuthError, LoginFailed } from "../AuthError.ts"
import { AuthStore } from "../AuthStore.ts"
import * as Claims from "../Claims.ts"
import * as Credentials from "../Credentials.ts"
import type { Login } from "../Login.ts"
import { OAuth, type Tokens } from "../OAuth.ts"

/** Fails early if the store cannot keep a new login, or if no workspace is allowed. */
export const checkBefore = (
  workspaces: ReadonlyArray<string> | undefined
): Effect.Effect<void, AuthError | LoginFailed, AuthStore> =>
  Effect.gen(function* () {
    if (workspaces?.length === 0) return yield* new LoginFailed({ reason: "workspace" })
    const store = yield* AuthStore
    yield* store.modify((login, prepare) => Effect.as(prepare, [undefined, login] as const))
  })

const accountsOf = (tokens: Tokens, credentials: Credentials.Credentials): ReadonlyArray<Redacted.Redacted> =>
  [tokens.accessToken, tokens.idToken]
    .flatMap((token) => (token === undefined ? [] : [Either.getOrUndefined(Claims.decode(token))?.accountId]))
    .concat(credentials.accountId)
    .filter((account) => account !== undefined)

/** Stores a new login and revokes the old one. A login that is not allowed is revoked instead. */
export const keep: (
  tokens: Tokens,
  workspaces?: ReadonlyArray<string>
) => Effect.Effect<Credentials.Credentials, AuthError | LoginFailed, AuthStore | OAuth> = Effect.fnUntraced(
  function* (tokens, workspaces) {
    const store = yield* AuthStore
    const oauth = yield* OAuth
    const credentials = yield* Credentials.fromTokens(tokens)
    if (
      workspaces !== undefined &&
      !accountsOf(tokens, credentials).every((account) => workspaces.includes(Redacted.value(account)))
    ) {
      yield* tokens.refreshToken === undefined
        ? oauth.revoke(tokens.accessToken, "access_token")
        : oauth.revoke(tokens.refreshToken, "refresh_token")
      return yield* new LoginFailed({ reason: "workspace" })
    }
    const login: Login = {
      ...tokens,
      accountId: credentials.accountId,
      lastRefresh: yield* Clock.currentTimeMillis,
      ...defined({ expiresAt: credentials.expiresAt })
    }
    const old = (yield* store.replace(login))?.refreshToken
    if (old !== undefined && (!tokens.refreshToken || Redacted.value(old) !== Redacted.value(tokens.refreshToken))) {
      yield* oauth.revoke(old, "refresh_token")
    }
    return credentials
  }
)
