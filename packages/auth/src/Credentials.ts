/**
 * What one request needs to be authorised.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { InvalidToken } from "./AuthError.ts"
import * as Claims from "./Claims.ts"
import { textOf } from "./internal/accessToken.ts"

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

/**
 * The headers that authorise a request (protocol B.1), in clear: set them on the request and nowhere else.
 *
 * @since 0.1.0
 * @category combinators
 */
export const headers = ({ accessToken, accountId, isFedramp }: Credentials): Readonly<Record<string, string>> => {
  const authorised = {
    authorization: `Bearer ${Redacted.value(accessToken)}`,
    "chatgpt-account-id": Redacted.value(accountId)
  }
  return isFedramp ? { ...authorised, "x-openai-fedramp": "true" } : authorised
}

/**
 * What credentials can be built from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tokens {
  readonly accessToken: Redacted.Redacted
  readonly accountId?: Redacted.Redacted
  readonly idToken?: Redacted.Redacted
}

const isBlank = (id: Redacted.Redacted | undefined) => id === undefined || textOf(id)?.trim() === ""

/** A header can carry it. An HTTP client that finds out only later quotes it in its error. */
const isVisible = (id: Redacted.Redacted) => /^[\x21-\x7e]+$/.test(textOf(id) ?? "")

/**
 * `fromTokens` without an Effect.
 *
 * @internal
 */
export const decode = (tokens: Tokens): Either.Either<Credentials, InvalidToken> => {
  const decoded = Claims.decode(tokens.accessToken)
  if (Either.isLeft(decoded)) return Either.left(decoded.left)
  const access = decoded.right
  const id: Partial<Claims.Claims> =
    tokens.idToken === undefined ? {} : Either.getOrElse(Claims.decode(tokens.idToken), () => ({}))
  const accountId =
    (isBlank(tokens.accountId) ? undefined : tokens.accountId) ??
    id.accountId ??
    access.accountId ??
    access.fallbackAccountId ??
    id.fallbackAccountId
  if (accountId === undefined || !isVisible(accountId)) return Either.left(new InvalidToken({ reason: "account" }))
  return Either.right(
    defined({
      accessToken: tokens.accessToken,
      accountId,
      isFedramp: access.isFedramp || id.isFedramp === true,
      planType: access.planType ?? id.planType,
      email: id.email ?? access.email,
      userId: access.userId ?? id.userId,
      expiresAt: access.expiresAt
    })
  )
}

/**
 * Builds credentials from tokens. The account id is the first of: the one handed in, the ID token's claim, the access
 * token's claim, the claims other issuers use (protocol F.2).
 *
 * An ID token that cannot be read is ignored; an access token that cannot be read is `InvalidToken`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromTokens = (tokens: Tokens): Effect.Effect<Credentials, InvalidToken> =>
  Effect.suspend(() => decode(tokens))
