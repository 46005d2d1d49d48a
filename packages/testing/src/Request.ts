/**
 * A request as the backend received it, decoded for tests and scripts.
 *
 * @since 0.1.0
 */
import type * as Item from "@effect-codex/schema/Item"
import type * as ToolSpec from "@effect-codex/schema/ToolSpec"
import { asArray, asObject, asString, type Json } from "./internal/json.ts"

/**
 * The output of a tool. The text parts are joined.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolOutput {
  readonly callId: string
  readonly output: string
}

/**
 * A received request. Nothing is redacted, so that tests can check everything.
 *
 * @since 0.1.0
 * @category models
 */
export interface Received {
  /** Counts all requests to the backend, starting at 1. */
  readonly number: number
  readonly method: string
  readonly url: string
  readonly path: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The decoded JSON, or the text if it is not JSON, or `undefined` without a body. */
  readonly body: unknown
  /** When it arrived, in milliseconds since 1970, by the backend's clock. */
  readonly receivedAt: number
  /** A seed for generated values, so that two backends generate different encrypted content. */
  readonly salt?: string
  /**
   * The WebSocket message of the request, and the number of its socket, starting at 1. `body` is then the whole
   * request, including the input cached by the socket.
   */
  readonly message?: { readonly socket: number; readonly text: string }
}

/**
 * A request with the decoded fields of its body. If the body is not a turn request, the lists and the prompt are empty.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request extends Received {
  readonly query: Readonly<Record<string, string>>
  readonly model: string | undefined
  readonly instructions: string | undefined
  /** The items as sent. They may not match the types if the client has a bug. */
  readonly input: ReadonlyArray<Item.Item>
  readonly tools: ReadonlyArray<ToolSpec.ToolSpec>
  /** The text of the last message of the user. */
  readonly prompt: string
  /** The tool outputs since the last message of the user. */
  readonly toolOutputs: ReadonlyArray<ToolOutput>
}

const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : (asArray(content) ?? []).map((part) => asString(asObject(part)?.["text"]) ?? "").join("")

const isUser = (item: Json): boolean => item["role"] === "user" && (item["type"] ?? "message") === "message"

/**
 * Decodes a request. Omitted fields default to those of a first, empty request to the turn endpoint.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (received: Partial<Received> = {}): Request => {
  const url = received.url ?? "https://chatgpt.com/backend-api/codex/responses"
  const body = asObject(received.body) ?? {}
  const input = asArray(body["input"]) ?? []
  const items = input.map((item) => asObject(item) ?? {})
  const asked = items.map(isUser).lastIndexOf(true)
  return {
    number: 1,
    method: "POST",
    path: URL.canParse(url) ? new URL(url).pathname : url,
    headers: {},
    body: undefined,
    receivedAt: 0,
    ...received,
    url,
    query: URL.canParse(url) ? Object.fromEntries(new URL(url).searchParams) : {},
    model: asString(body["model"]),
    instructions: asString(body["instructions"]),
    input: input as ReadonlyArray<Item.Item>,
    tools: (asArray(body["tools"]) ?? []) as ReadonlyArray<ToolSpec.ToolSpec>,
    prompt: textOf(items[asked]?.["content"]),
    toolOutputs: items.slice(asked + 1).flatMap((item) => {
      const callId = asString(item["call_id"])
      return callId === undefined || item["output"] === undefined ? [] : [{ callId, output: textOf(item["output"]) }]
    })
  }
}
