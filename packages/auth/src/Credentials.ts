/**
 * The credentials of a request.
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
 * The current credentials of a ChatGPT login. Secrets and personal data are redacted.
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
  /** Lower case: `plus`, `pro`, `business`, or another plan. */
  readonly planType?: string
  readonly email?: Redacted.Redacted
  readonly userId?: Redacted.Redacted
  /** When the access token expires, Unix time in milliseconds. */
  readonly expiresAt?: number
}

/**
 * The headers that authorise a request (protocol B.1), in plain text. Use them only on the request.
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
 * The input of `fromTokens`.
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

/** Checked here, because an HTTP client quotes an invalid header value in its error. */
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
 * Creates credentials from tokens. The account id is the first of: the given one, the ID token's claim, the access
 * token's claim, the claims of other issuers (protocol F.2).
 *
 * An invalid ID token is ignored. An invalid access token fails with `InvalidToken`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromTokens = (tokens: Tokens): Effect.Effect<Credentials, InvalidToken> =>
  Effect.suspend(() => decode(tokens))
