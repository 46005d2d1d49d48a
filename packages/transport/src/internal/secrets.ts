import type * as Credentials from "@effect-codex/auth/Credentials"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

/** A secret in the forms a server may quote it in: plain, base64 and escaped as JSON. */
const forms = (secret: string): ReadonlyArray<string> => [
  secret,
  Encoding.encodeBase64(secret),
  Encoding.encodeBase64Url(secret),
  JSON.stringify(secret).slice(1, -1)
]

const encryptedContents = (request: ResponsesRequest.ResponsesRequest | undefined): ReadonlyArray<string> =>
  (request?.input ?? []).flatMap((item) =>
    "encrypted_content" in item && typeof item.encrypted_content === "string" ? [item.encrypted_content] : []
  )

/**
 * Everything secret that a request carries: what must not appear in what is said about it. Longest first. Encrypted content
 * is base64 already and needs no other form; encoding that of a long conversation would stop the program for seconds.
 */
export const secretsOf = (
  credentials: Credentials.Credentials,
  request?: ResponsesRequest.ResponsesRequest,
  routingToken?: Redacted.Redacted,
  others: ReadonlyArray<string> = []
): ReadonlyArray<string> =>
  [
    Redacted.value(credentials.accessToken),
    Redacted.value(credentials.accountId),
    ...(credentials.email === undefined ? [] : [Redacted.value(credentials.email)]),
    ...(credentials.userId === undefined ? [] : [Redacted.value(credentials.userId)]),
    ...(routingToken === undefined ? [] : [Redacted.value(routingToken)]),
    ...others
  ]
    .flatMap(forms)
    .concat(encryptedContents(request))
    .sort((a, b) => b.length - a.length)
