/**
 * A request as the backend received it, decoded as far as a test or a script wants to look at it.
 *
 * @since 0.1.0
 */
import type * as Item from "@effect-codex/schema/Item"
import type * as ToolSpec from "@effect-codex/schema/ToolSpec"
import { asArray, asObject, asString, type Json } from "./internal/json.ts"

/**
 * What a tool gave back; parts of an output are joined, as far as they are text.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolOutput {
  readonly callId: string
  readonly output: string
}

/**
 * A request as it arrived. Nothing in it is redacted, so that tests can look at all of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Received {
  /** 1 for the first request the backend received, 2 for the next, whatever their paths. */
  readonly number: number
  readonly method: string
  readonly url: string
  readonly path: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The decoded JSON; the text where it is not JSON; `undefined` where there is none. */
  readonly body: unknown
  /** When it arrived, in milliseconds since 1970, by the backend's clock. */
  readonly receivedAt: number
  /** Goes into what the backend makes up, so that two backends do not make up the same encrypted content. */
  readonly salt?: string
  /**
   * The message that brought it over a WebSocket, and the number of that socket, from 1. `body` is then the whole request,
   * with what the socket had cached.
   */
  readonly message?: { readonly socket: number; readonly text: string }
}

/**
 * A request and what its body says. Of a body that is not a turn's, the lists and the prompt are empty.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request extends Received {
  readonly query: Readonly<Record<string, string>>
  readonly model: string | undefined
  readonly instructions: string | undefined
  /** The items as they were sent, which may be other than the types say where the client is at fault. */
  readonly input: ReadonlyArray<Item.Item>
  readonly tools: ReadonlyArray<ToolSpec.ToolSpec>
  /** The text of the last message of the user. */
  readonly prompt: string
  /** What tools gave back since the last message of the user. */
  readonly toolOutputs: ReadonlyArray<ToolOutput>
}

const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : (asArray(content) ?? []).map((part) => asString(asObject(part)?.["text"]) ?? "").join("")

const isUser = (item: Json): boolean => item["role"] === "user" && (item["type"] ?? "message") === "message"

/**
 * A request with its body read. What is left out is that of a first, empty request to the turn endpoint.
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
