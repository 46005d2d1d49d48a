/**
 * The placeholders of secrets in a cassette: the same for the same value, whoever records it.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { asObject, asString, parseJson } from "../json.ts"

/** The kind of a value. Its placeholder contains the kind. */
export type Kind =
  | "token"
  | "jwt"
  | "code"
  | "account"
  | "user"
  | "name"
  | "email"
  | "content"
  | "cookie"
  | "session"
  | "secret"
  | "value"

export const isPlaceholder = (value: string): boolean =>
  /^(?:gAAAA)?scrubbed-[a-z]+-\d+$/.test(value) ||
  /^scrubbed-\d+@example\.invalid$/.test(value) ||
  /^eyJ[\w-]+\.eyJ[\w-]+\.scrubbed-jwt-\d+$/.test(value)

const placeholders =
  /eyJ[\w-]+\.eyJ[\w-]+\.scrubbed-jwt-\d+|scrubbed-\d+@example\.invalid|(?:gAAAA)?scrubbed-([a-z]+)-\d+/g

/** The text with `*` instead of its placeholders. */
export const without = (text: string): string => text.replace(placeholders, "*")

/** The text without the numbers of placeholders and without the claims of tokens, which differ between recording and replay. */
export const withoutNumbers = (text: string): string =>
  text.replace(placeholders, (found, kind: string | undefined) =>
    found.startsWith("eyJ") ? "scrubbed-token" : `scrubbed-${kind ?? "email"}`
  )

export interface Table {
  /** The placeholder of a value. A value that is already a placeholder is returned unchanged. */
  readonly of: (kind: Kind, value: string) => string
  /** All values so far, with their placeholders. */
  readonly values: ReadonlyMap<string, { readonly kind: Kind; readonly placeholder: string }>
}

const authClaim = "https://api.openai.com/auth"

/** The claims of a token. `undefined` if it is not a JWT. */
export const claimsOf = (token: string) => {
  const [, payload, signature] = token.split(".")
  if (payload === undefined || signature === undefined || !token.startsWith("eyJ")) return undefined
  const json = Either.getOrUndefined(Encoding.decodeBase64UrlString(payload))
  return json === undefined ? undefined : asObject(parseJson(json))
}

export const make = (): Table => {
  const values = new Map<string, { readonly kind: Kind; readonly placeholder: string }>()
  const counts = new Map<Kind, number>()

  const next = (kind: Kind): number => {
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    return count
  }

  /** A JWT for the same plan that never expires, because clients read its claims. */
  const token = (value: string): string => {
    const claims = claimsOf(value) ?? {}
    const auth = asObject(claims[authClaim]) ?? {}
    const replaced = (kind: Kind, claim: unknown) => {
      const text = asString(claim)
      return text === undefined ? undefined : of(kind, text)
    }
    const payload = {
      exp: 4_102_444_800,
      email: replaced("email", claims["email"] ?? asObject(claims["https://api.openai.com/profile"])?.["email"]),
      [authClaim]: {
        chatgpt_account_id: replaced("account", auth["chatgpt_account_id"]),
        chatgpt_plan_type: auth["chatgpt_plan_type"],
        chatgpt_user_id: replaced("user", auth["chatgpt_user_id"]),
        user_id: replaced("user", auth["user_id"]),
        chatgpt_account_is_fedramp: auth["chatgpt_account_is_fedramp"]
      }
    }
    const encode = (part: unknown) => Encoding.encodeBase64Url(JSON.stringify(part))
    return `${encode({ alg: "none", typ: "JWT" })}.${encode(payload)}.scrubbed-jwt-${next("jwt")}`
  }

  const invent = (kind: Kind, value: string): string => {
    if (kind === "jwt" || claimsOf(value) !== undefined) return token(value)
    if (kind === "email") return `scrubbed-${next(kind)}@example.invalid`
    return `${kind === "content" ? "gAAAA" : ""}scrubbed-${kind}-${next(kind)}`
  }

  const of = (kind: Kind, value: string): string => {
    if (isPlaceholder(value) || value === "") return value
    const known = values.get(value)
    if (known !== undefined) return known.placeholder
    const placeholder = invent(kind, value)
    values.set(value, { kind, placeholder })
    return placeholder
  }

  return { of, values }
}
