import type * as Credentials from "@effect-codex/auth/Credentials"
import * as Redaction from "@effect-codex/schema/Redaction"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Redacted from "effect/Redacted"

const encryptedContents = (request: ResponsesRequest.ResponsesRequest | undefined): ReadonlyArray<string> =>
  (request?.input ?? []).flatMap((item) =>
    "encrypted_content" in item && typeof item.encrypted_content === "string" ? [item.encrypted_content] : []
  )

/**
/**
 * All secrets of a request, to redact from errors and captures. Encrypted content is already base64 and is not encoded
 * again: for a long conversation, that would block for seconds.
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
