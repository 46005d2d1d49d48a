/**
 * Reasoning that is replayed encrypted can be refused for good, for instance after a change of account. Without it the
 * conversation goes on, at some loss.
 *
 * @since 0.1.0
 */
import * as History from "@effect-codex/schema/History"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"

/**
 * Whether the server could not read the encrypted content it was sent.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRefused = (error: { readonly _tag: string; readonly code?: string | undefined }): boolean =>
  error._tag === "InvalidRequest" && error.code === "invalid_encrypted_content"

/**
 * The request without its reasoning items and what was left out with them, or `undefined` when it has none and so cannot
 * be mended this way.
 *
 * @since 0.1.0
 * @category combinators
 */
export const discard = (
  request: ResponsesRequest.ResponsesRequest
):
  | { readonly request: ResponsesRequest.ResponsesRequest; readonly repairs: ReadonlyArray<History.Repair> }
  | undefined => {
  if (!request.input.some((item) => item.type === "reasoning")) return undefined
  const { items, repairs } = History.withoutReasoning(request.input)
  return { request: { ...request, input: items }, repairs }
}
