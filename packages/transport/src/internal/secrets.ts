import type * as Credentials from "@effect-codex/auth/Credentials"
import * as Redaction from "@effect-codex/schema/Redaction"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Redacted from "effect/Redacted"

const encryptedContents = (request: ResponsesRequest.ResponsesRequest | undefined): ReadonlyArray<string> =>
  (request?.input ?? []).flatMap((item) =>
    "encrypted_content" in item && typeof item.encrypted_content === "string" ? [item.encrypted_content] : []
  )

/**
 * Everything secret that a request carries: what must not appear in what is said about it. Encrypted content
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
    .flatMap(Redaction.forms)
    .concat(encryptedContents(request))
