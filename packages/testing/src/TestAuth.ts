/**
 * Credentials for tests: unsigned tokens with the claims of real ones.
 *
 * @since 0.1.0
 */
import { LoginExpired } from "@effect-codex/auth/AuthError"
import * as CodexAuth from "@effect-codex/auth/CodexAuth"
import * as Credentials from "@effect-codex/auth/Credentials"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Jwt from "./internal/jwt.ts"

/**
 * The claims of the token (protocol F.2).
 *
 * @since 0.1.0
 * @category models
 */
export interface Claims {
  /** `acc_test` by default. `null` omits the claim. */
  readonly accountId?: string | null
  /** `plus` by default. */
  readonly planType?: string
  /** `user_test` by default. */
  readonly userId?: string
  /** `test@example.org` by default. */
  readonly email?: string
  readonly isFedramp?: boolean
  /** Unix time in milliseconds, the year 2100 by default. */
  readonly expiresAt?: number
  /** Any text, to distinguish two tokens of one account. */
  readonly id?: string
}

const year2100 = 4_102_444_800_000

/**
 * An unsigned JWT.
 *
 * @since 0.1.0
 * @category constructors
 */
export const jwt = (claims: Claims = {}): string =>
  Jwt.jwt(
    {
      accountId: claims.accountId === null ? undefined : (claims.accountId ?? "acc_test"),
      userId: claims.userId ?? "user_test",
      email: claims.email ?? "test@example.org",
      planType: claims.planType ?? "plus",
      isFedramp: claims.isFedramp ?? false
    },
    {
      exp: Math.floor((claims.expiresAt ?? year2100) / 1000),
      ...(claims.id === undefined ? {} : { jti: claims.id })
    }
  )

/**
 * `CodexAuth` with a test token. After a 401 it provides a new token, up to `refreshes` times (default 0). Then the
 * login counts as expired.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Claims & { readonly refreshes?: number } = {}): Layer.Layer<CodexAuth.CodexAuth> =>
  Layer.effect(
    CodexAuth.CodexAuth,
    Effect.gen(function* () {
      const { refreshes = 0, ...claims } = options
      const refreshed = yield* Ref.make(0)
      const credentials = (count: number) =>
        Credentials.fromTokens({
          accessToken: Redacted.make(jwt(count === 0 ? claims : { ...claims, id: `${claims.id ?? ""}${count}` }))
        })
      return {
        credentials: Effect.flatMap(Ref.get(refreshed), (count) => credentials(Math.min(count, refreshes))),
        recover: Effect.fnUntraced(function* () {
          const count = yield* Ref.updateAndGet(refreshed, (count) => Math.min(count + 1, refreshes + 1))
          if (count > refreshes) return yield* new LoginExpired({ reason: "notRefreshable" })
          return yield* credentials(count)
        })
      }
    })
  )
