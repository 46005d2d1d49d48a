/**
 * Reasoning that is replayed encrypted can be refused for good, for instance after a change of account. Without it the
 * conversation goes on, at some loss.
 *
 * @since 0.1.0
 */
import * as History from "@effect-codex/schema/History"
import type * as Origin from "@effect-codex/schema/Origin"
import type * as Repair from "@effect-codex/schema/Repair"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"

/**
 * Whether the server could not read the encrypted content it was sent. It says so by the code
 * `invalid_encrypted_content`, or only in words: that the encrypted content could not be verified or decrypted
 * (protocol N.8).
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
 * The request without the reasoning that is not known to come from `origin`, or, when all of it is, without any; and what
 * was left out. It is `undefined` when there is no reasoning, so that the request cannot be mended this way.
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
