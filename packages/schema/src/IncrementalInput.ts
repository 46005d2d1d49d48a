/**
 * Decides whether a request can refer to the previous response and send only the new input items (protocol H.3).
 *
 * @since 0.1.0
 */
import * as History from "./History.ts"
import type * as Item from "./Item.ts"
import { isModelOutput } from "./internal/history/encrypted.ts"
import * as ResponsesRequest from "./ResponsesRequest.ts"

/**
 * The last response on a socket: its request, its id, and its output items as the server sent them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Previous {
  readonly request: ResponsesRequest.ResponsesRequest
  readonly responseId: string
  readonly output: ReadonlyArray<Item.Item>
}

/**
 * What to send. `Full` states why the new input alone is not enough, and where the first difference is:
 *
 * - `no_previous`: no response has finished on this socket.
 * - `field`: a field other than `input` changed; `at` names it.
 * - `input`: the input does not start with the previous request's input; `at` names the first item that differs.
 * - `output`: the previous response's output does not follow unchanged, or more output of a model follows it; `at` names
 *   the first such item.
 *
 * @since 0.1.0
 * @category models
 */
export type Decision =
  | {
      readonly _tag: "Incremental"
      readonly previousResponseId: string
      /** The items the server does not have yet. */
      readonly input: ReadonlyArray<Item.Item>
    }
  | { readonly _tag: "Full"; readonly reason: "no_previous" | "field" | "input" | "output"; readonly at?: string }

/** Fields that may differ between two requests of one chain (protocol H.3). */
const uncompared: ReadonlySet<string> = new Set(["input", "client_metadata", "stream_options", "access_programs"])

const bodyOf = (request: ResponsesRequest.ResponsesRequest): Readonly<Record<string, unknown>> =>
  JSON.parse(ResponsesRequest.toJson(request)) as Readonly<Record<string, unknown>>

const same = (a: unknown, b: unknown) => a === b || JSON.stringify(a) === JSON.stringify(b)

const changedField = (before: ResponsesRequest.ResponsesRequest, now: ResponsesRequest.ResponsesRequest) => {
  const [a, b] = [bodyOf({ ...before, input: [] }), bodyOf({ ...now, input: [] })]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].find(
    (key) => !uncompared.has(key) && !same(a[key], b[key])
  )
}

const firstDifferent = (expected: ReadonlyArray<unknown>, found: ReadonlyArray<unknown>): number | undefined => {
  const place = expected.findIndex((item, n) => !same(item, found[n]))
  return place === -1 ? undefined : place
}

/**
 * Whether a model wrote the item. If it follows the known output, it can be output of the same response that was not
 * recognized as such, and the server has it already.
 */
const isOutput = (item: Item.Item | undefined): boolean =>
  item !== undefined && (item.type === "reasoning" || isModelOutput(item))

/**
 * Compares a request with the previous one on the same socket. The server's output counts as unchanged if
 * `History.compile` maps it to the items in the request: ids and repairs are ignored, any other difference counts.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { IncrementalInput, ResponsesRequest } from "@effect-codex/schema"
 *
 * const item = (text: string) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] }) as const
 * const request = ResponsesRequest.make({ model: "gpt-5.5", input: [item("One")] })
 * const next = { ...request, input: [item("One"), item("Two")] }
 *
 * IncrementalInput.decide({ request, responseId: "resp_1", output: [] }, next)
 * // { _tag: "Incremental", previousResponseId: "resp_1", input: [item("Two")] }
 * ```
 */
export const decide = (previous: Previous | undefined, request: ResponsesRequest.ResponsesRequest): Decision => {
  if (previous === undefined) return { _tag: "Full", reason: "no_previous" }
  const field = changedField(previous.request, request)
  if (field !== undefined) return { _tag: "Full", reason: "field", at: field }
  // parsed from the JSON text that is sent, so that only what is sent is compared
  const wire = (items: ReadonlyArray<Item.Item>) =>
    bodyOf({ ...request, input: items })["input"] as ReadonlyArray<Item.Item>
  const before = wire(previous.request.input)
  const now = wire(request.input)
  const changed = firstDifferent(before, now)
  if (changed !== undefined) return { _tag: "Full", reason: "input", at: `input[${changed}]` }
  const known = before.length + previous.output.length
  const input = now.slice(known)
  const sent = wire(History.compile([...before, ...previous.output, ...input]).items)
  const differs = now.length < known ? now.length : firstDifferent(sent, now)
  if (differs !== undefined || sent.length !== now.length) {
    return { _tag: "Full", reason: "output", at: `input[${differs ?? sent.length}]` }
  }
  if (isOutput(input[0])) return { _tag: "Full", reason: "output", at: `input[${known}]` }
  return { _tag: "Incremental", previousResponseId: previous.responseId, input }
}
