/**
 * What one request needs to be authorised.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidToken } from "./AuthError.ts"
import * as Claims from "./Claims.ts"

/**
 * The credentials of one ChatGPT login at one moment. Secrets and personal data are redacted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  /** For `Authorization: Bearer …`. */
  readonly accessToken: Redacted.Redacted
  /** For `chatgpt-account-id`. */
  readonly accountId: Redacted.Redacted
  /** Whether requests carry `X-OpenAI-Fedramp: true`. */
  readonly isFedramp: boolean
  /** Lower case and open-ended: `plus`, `pro`, `business`, … */
  readonly planType?: string
  readonly email?: Redacted.Redacted
  readonly userId?: Redacted.Redacted
  /** When the access token ends, Unix time in milliseconds. */
  readonly expiresAt?: number
}

const isBlank = (id: Redacted.Redacted | undefined) => id === undefined || Redacted.value(id).trim() === ""

/** A header can carry it. An HTTP client that finds out only later quotes it in its error. */
const isVisible = (id: Redacted.Redacted) => /^[\x21-\x7e]+$/.test(Redacted.value(id))

/**
 * Builds credentials from tokens. The account id is the first of: the one handed in, the ID token's claim, the access
 * token's claim, the claims other issuers use (protocol F.2).
 *
 * An ID token that cannot be read is ignored; an access token that cannot be read is `InvalidToken`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromTokens: (tokens: {
  readonly accessToken: Redacted.Redacted
  readonly accountId?: Redacted.Redacted
  readonly idToken?: Redacted.Redacted
}) => Effect.Effect<Credentials, InvalidToken> = Effect.fnUntraced(function* (tokens) {
  const access = yield* Claims.fromToken(tokens.accessToken)
  const id: Partial<Claims.Claims> =
    tokens.idToken === undefined
      ? {}
      : yield* Claims.fromToken(tokens.idToken).pipe(Effect.orElseSucceed((): Partial<Claims.Claims> => ({})))
  const accountId =
    (isBlank(tokens.accountId) ? undefined : tokens.accountId) ??
    id.accountId ??
    access.accountId ??
    access.fallbackAccountId ??
    id.fallbackAccountId
  if (accountId === undefined || !isVisible(accountId)) return yield* new InvalidToken({ reason: "account" })
  return defined({
    accessToken: tokens.accessToken,
    accountId,
    isFedramp: access.isFedramp || id.isFedramp === true,
    planType: access.planType ?? id.planType,
    email: id.email ?? access.email,
    userId: access.userId ?? id.userId,
    expiresAt: access.expiresAt
  })
})
