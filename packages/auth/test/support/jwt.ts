import * as Redacted from "effect/Redacted"

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

export const authClaim = "https://api.openai.com/auth"

/** A JWT with this payload and a signature nobody checks. */
export const jwt = (payload: object, signature = "signature"): string =>
  `${encode({ alg: "RS256" })}.${encode(payload)}.${signature}`

/** An access token of an account, with times in milliseconds. */
export const accessToken = (options: {
  readonly account?: string
  readonly expiresAt?: number
  readonly issuedAt?: number
  readonly serial?: number | string
}): string =>
  jwt({
    jti: options.serial,
    ...(options.expiresAt === undefined ? {} : { exp: Math.floor(options.expiresAt / 1000) }),
    ...(options.issuedAt === undefined ? {} : { iat: Math.floor(options.issuedAt / 1000) }),
    [authClaim]: { chatgpt_account_id: options.account ?? "acc_1", chatgpt_plan_type: "plus" }
  })

export const secret = (text: string) => Redacted.make(text)
