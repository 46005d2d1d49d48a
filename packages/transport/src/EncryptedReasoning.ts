/**
 * Recovery from refused encrypted reasoning, for example after a change of account. The conversation continues without
 * the reasoning, with some loss of quality.
 *
 * @since 0.1.0
 */
import * as History from "@effect-codex/schema/History"
import type * as Origin from "@effect-codex/schema/Origin"
import type * as Repair from "@effect-codex/schema/Repair"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"

/**
 * Whether the server refused the encrypted content of a request. It reports the code `invalid_encrypted_content`, or
 * only a message that the encrypted content could not be verified or decrypted (protocol N.8).
 *
 * @since 0.1.0
 * @category guards
 */
export const isRefused = (error: {
  readonly _tag: string
  readonly code?: string | undefined
  readonly serverMessage?: string | undefined
}): boolean => {
  if (error._tag !== "InvalidRequest" && error._tag !== "ResponseFailed") return false
  if (error.code === "invalid_encrypted_content") return true
  const words = error.serverMessage ?? ""
  return /encrypted|decrypt/i.test(words) && unread.test(words)
}

const unread =
  /\b(?:could not|couldn't|cannot|can't|unable to|fail(?:ed|s)? to|did not|does not)\b (?:be )?(?:verif|decrypt|pars|read|validat|match)/i

/**
 * Removes the reasoning that is not known to come from `origin`, or all reasoning if all is known to; also returns the
 * removed items. `undefined` if the request has no reasoning, so this cannot fix it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const discard = (
  request: ResponsesRequest.ResponsesRequest,
  origin?: Origin.Origin
):
  | { readonly request: ResponsesRequest.ResponsesRequest; readonly repairs: ReadonlyArray<Repair.HistoryRepair> }
  | undefined => {
  const { input } = request
  if (!input.some((item) => item.type === "reasoning")) return undefined
  const others = History.withoutReasoning(input, origin)
  const { items, repairs } = others.items.length < input.length ? others : History.withoutReasoning(input)
  return { request: { ...request, input: items }, repairs }
}
