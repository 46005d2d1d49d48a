/**
 * Tokens with the claims of the login server's tokens (protocol F.2) and a fake signature.
 */
import * as Encoding from "effect/Encoding"

/** The owner of a token. */
export interface Subject {
  readonly accountId?: string | undefined
  readonly userId: string
  readonly email: string
  readonly planType: string
  readonly isFedramp: boolean
}

/** `more` is added at the top level. Its times are in seconds. */
export const jwt = (subject: Subject, more: Readonly<Record<string, unknown>>, signature = "unsigned"): string => {
  const encode = (value: unknown) => Encoding.encodeBase64Url(JSON.stringify(value))
  const payload = {
    ...more,
    email: subject.email,
    "https://api.openai.com/profile": { email: subject.email },
    "https://api.openai.com/auth": {
      ...(subject.accountId === undefined ? {} : { chatgpt_account_id: subject.accountId }),
      chatgpt_plan_type: subject.planType,
      chatgpt_user_id: subject.userId,
      user_id: subject.userId,
      chatgpt_account_is_fedramp: subject.isFedramp
    }
  }
  return `${encode({ alg: "none", typ: "JWT" })}.${encode(payload)}.${signature}`
}
