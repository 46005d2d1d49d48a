import type * as Credentials from "@effect-codex/auth/Credentials"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

/** The encodings in which a server may quote a secret: plain, base64 and JSON-escaped. */
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
 * All secrets of a request, to redact from errors and captures. Longest first. Encrypted content is already base64 and
 * is not encoded again: for a long conversation, that would block for seconds.
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
