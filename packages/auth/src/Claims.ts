/**
 * What a ChatGPT token says about its owner (protocol F.2). The signature is not checked: the backend does that.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { InvalidToken } from "./AuthError.ts"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true, nullable: true })

/** The claims on the wire; what is not needed here is ignored. */
const Payload = Schema.Struct({
  exp: optional(Schema.Number),
  iat: optional(Schema.Number),
  email: optional(Schema.String),
  chatgpt_account_id: optional(Schema.String),
  organizations: optional(Schema.Array(Schema.Struct({ id: optional(Schema.String) }))),
  "https://api.openai.com/profile": optional(Schema.Struct({ email: optional(Schema.String) })),
  "https://api.openai.com/auth": optional(
    Schema.Struct({
      chatgpt_account_id: optional(Schema.String),
      chatgpt_plan_type: optional(Schema.String),
      chatgpt_user_id: optional(Schema.String),
      user_id: optional(Schema.String),
      chatgpt_account_is_fedramp: optional(Schema.Boolean)
    })
  )
})

/**
 * The claims this library uses. Personal data is redacted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Claims {
  /** The `chatgpt_account_id` of the auth claim. */
  readonly accountId?: Redacted.Redacted
  /** Where other issuers put the account: the top-level claim, else the first organization. */
  readonly fallbackAccountId?: Redacted.Redacted
  readonly userId?: Redacted.Redacted
  readonly email?: Redacted.Redacted
  /** Lower case: `free`, `plus`, `pro`, `team`, `business`, `enterprise`, `edu`, or a plan unknown today. */
  readonly planType?: string
  readonly isFedramp: boolean
  /** Unix time in milliseconds. */
  readonly issuedAt?: number
  /** Unix time in milliseconds. */
  readonly expiresAt?: number
}

const decodePayload = Schema.decodeUnknown(Payload)
const parseJson = Schema.decodeUnknown(Schema.parseJson())

const base64Url = /^[\w-]+=*$/

/** Plans that have two names. */
const planAliases: Record<string, string> = { hc: "enterprise", education: "edu" }

/** Numeric dates are seconds; issuers that write milliseconds are told by a value beyond the year 5000. */
const toMillis = (date: number | undefined): number | undefined =>
  date === undefined ? undefined : date > 1e11 ? date : date * 1000

const nonEmpty = (text: string | undefined): string | undefined => (text?.trim() ? text.trim() : undefined)
const redacted = (text: string | undefined): Redacted.Redacted | undefined => {
  const value = nonEmpty(text)
  return value === undefined ? undefined : Redacted.make(value)
}

/**
 * Reads the claims of a JWT, with or without base64 padding.
 *
 * Fails with `InvalidToken` for anything that is no JWT: other than three non-empty segments, a segment that is not
 * base64url, a payload that is not JSON, or claims of another shape.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromToken: (token: Redacted.Redacted) => Effect.Effect<Claims, InvalidToken> = Effect.fnUntraced(
  function* (token) {
    const segments = Redacted.value(token).split(".")
    const payload = segments[1]
    if (segments.length !== 3 || payload === undefined || segments.some((segment) => segment === "")) {
      return yield* new InvalidToken({ reason: "segments" })
    }
    if (!segments.every((segment) => base64Url.test(segment))) return yield* new InvalidToken({ reason: "base64" })
    const text = yield* Encoding.decodeBase64UrlString(payload.replace(/=+$/, "")).pipe(
      Effect.mapError(() => new InvalidToken({ reason: "base64" }))
    )
    const json = yield* parseJson(text).pipe(Effect.mapError(() => new InvalidToken({ reason: "json" })))
    const claims = yield* decodePayload(json).pipe(Effect.mapError(() => new InvalidToken({ reason: "claims" })))
    const auth = claims["https://api.openai.com/auth"]
    const plan = nonEmpty(auth?.chatgpt_plan_type)?.toLowerCase()
    return defined({
      accountId: redacted(auth?.chatgpt_account_id),
      fallbackAccountId: redacted(
        nonEmpty(claims.chatgpt_account_id) ?? claims.organizations?.find((o) => nonEmpty(o.id) !== undefined)?.id
      ),
      userId: redacted(nonEmpty(auth?.chatgpt_user_id) ?? auth?.user_id),
      email: redacted(nonEmpty(claims.email) ?? claims["https://api.openai.com/profile"]?.email),
      planType: plan === undefined ? undefined : (planAliases[plan] ?? plan),
      isFedramp: auth?.chatgpt_account_is_fedramp ?? false,
      issuedAt: toMillis(claims.iat),
      expiresAt: toMillis(claims.exp)
    })
  }
)
