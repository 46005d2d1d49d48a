/**
 * The claims of a ChatGPT token (protocol F.2). The signature is not verified: the backend does that.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { InvalidToken } from "./AuthError.ts"
import { textOf } from "./internal/accessToken.ts"
import { isJsonObject, type Json, numberIn, objectIn, parseJson, textIn } from "./internal/json.ts"

/**
 * The claims this library uses. Personal data is redacted. A claim of an unexpected type counts as missing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Claims {
  /** The `chatgpt_account_id` of the auth claim. */
  readonly accountId?: Redacted.Redacted
  /** The account id in tokens of other issuers: the top-level claim, otherwise the first organization. */
  readonly fallbackAccountId?: Redacted.Redacted
  readonly userId?: Redacted.Redacted
  readonly email?: Redacted.Redacted
  /** Lower case: `free`, `plus`, `pro`, `team`, `business`, `enterprise`, `edu`, or another plan. */
  readonly planType?: string
  readonly isFedramp: boolean
  /** Unix time in milliseconds. */
  readonly issuedAt?: number
  /** Unix time in milliseconds. */
  readonly expiresAt?: number
}

const base64Url = /^[\w-]+=*$/

/** Plans with two names. */
const planAliases: Record<string, string> = { hc: "enterprise", education: "edu" }

/**
 * Numeric dates are in seconds. A value beyond the year 5000 is in milliseconds. A value that `Date` cannot represent
 * is ignored.
 */
const dateIn = (claims: Json, key: string): number | undefined => {
  const date = numberIn(claims, key)
  if (date === undefined || date < 0 || date > 8.64e15) return undefined
  return date > 1e11 ? date : date * 1000
}

const redacted = (text: string | undefined): Redacted.Redacted | undefined =>
  text === undefined ? undefined : Redacted.make(text)

const firstOrganization = (claims: Json): string | undefined => {
  const organizations = claims["organizations"]
  if (!Array.isArray(organizations)) return undefined
  return organizations
    .map((organization) => (isJsonObject(organization) ? textIn(organization, "id") : undefined))
    .find((id) => id !== undefined)
}

const invalid = (reason: InvalidToken["reason"]): Either.Either<never, InvalidToken> =>
  Either.left(new InvalidToken({ reason }))

/**
 * `fromToken` without an Effect.
 *
 * @internal
 */
export const decode = (token: Redacted.Redacted): Either.Either<Claims, InvalidToken> => {
  const text = textOf(token)
  if (text === undefined) return invalid("notRedacted")
  const segments = text.split(".")
  const payload = segments[1]
  if (segments.length !== 3 || payload === undefined || segments.some((segment) => segment === "")) {
    return invalid(text.startsWith("sk-") ? "apiKey" : text.startsWith("rt_") ? "refreshToken" : "segments")
  }
  if (!segments.every((segment) => base64Url.test(segment))) return invalid("base64")
  const decoded = Encoding.decodeBase64UrlString(payload.replace(/=+$/, ""))
  if (Either.isLeft(decoded)) return invalid("base64")
  const json = parseJson(decoded.right)
  if (Either.isLeft(json)) return invalid("json")
  const claims = json.right
  if (!isJsonObject(claims)) return invalid("claims")
  const auth = objectIn(claims, "https://api.openai.com/auth")
  const plan = textIn(auth, "chatgpt_plan_type")?.toLowerCase()
  return Either.right(
    defined({
      accountId: redacted(textIn(auth, "chatgpt_account_id")),
      fallbackAccountId: redacted(textIn(claims, "chatgpt_account_id") ?? firstOrganization(claims)),
      userId: redacted(textIn(auth, "chatgpt_user_id") ?? textIn(auth, "user_id")),
      email: redacted(textIn(claims, "email") ?? textIn(objectIn(claims, "https://api.openai.com/profile"), "email")),
      planType: plan === undefined ? undefined : (planAliases[plan] ?? plan),
      isFedramp: auth["chatgpt_account_is_fedramp"] === true,
      issuedAt: dateIn(claims, "iat"),
      expiresAt: dateIn(claims, "exp")
    })
  )
}

/**
 * Decodes the claims of a JWT, with or without base64 padding.
 *
 * Fails with `InvalidToken` if the token does not have three non-empty segments, a segment is not base64url, the
 * payload is not JSON, or the claims are not an object.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromToken = (token: Redacted.Redacted): Effect.Effect<Claims, InvalidToken> =>
  Effect.suspend(() => decode(token))
