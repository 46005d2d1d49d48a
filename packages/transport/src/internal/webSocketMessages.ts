/** The messages of a WebSocket (protocol H.3, H.4): the request, and what the carrier reads of events and errors. */
import * as ErrorStatement from "@effect-codex/schema/ErrorStatement"
import type * as IncrementalInput from "@effect-codex/schema/IncrementalInput"
import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as RoutingToken from "@effect-codex/schema/RoutingToken"
import type * as Carrier from "../Carrier.ts"

export type Head = Readonly<Record<string, string | undefined>>

/** Error codes that require a new socket and the full input. */
export const cacheLost: ReadonlySet<string> = new Set([
  "previous_response_not_found",
  "websocket_connection_limit_reached"
])

export const terminal: ReadonlySet<string> = new Set([
  "response.completed",
  "response.done",
  "response.incomplete",
  "response.failed",
  "response.cancelled"
])

/** Messages that are not part of the turn's output: an error after them still fails the whole response. */
export const outsideTurn: ReadonlySet<string> = new Set([
  "codex.rate_limits",
  "codex.response.metadata",
  "response.metadata"
])

export type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** Deltas are most of the messages and need no handling here. */
const delta = /^\{"type":"response\.[a-z_.]+\.delta"/

export const parse = (text: string): Json => {
  if (delta.test(text)) return {}
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

export const headersOf = (frame: Json): Head =>
  isObject(frame["headers"])
    ? Object.fromEntries(
        Object.entries(frame["headers"]).flatMap(([name, value]) =>
          typeof value === "string" || typeof value === "number" || typeof value === "boolean"
            ? [[name.toLowerCase(), String(value)]]
            : []
        )
      )
    : {}

/** The response of a terminal event. */
export const responseOf = (frame: Json): Json => (isObject(frame["response"]) ? frame["response"] : {})

/** Whether a message says that the request has failed, in any of the forms the decoder knows. */
export const isFailure = ({ error, type }: Json): boolean =>
  typeof type === "string"
    ? type === "error" || type === "response.error" || type === "response.failed"
    : ErrorStatement.isPresent(error)

export const statementOf = (frame: Json): ErrorStatement.ErrorStatement => {
  const { error } = responseOf(frame)
  return ErrorStatement.fromValue(ErrorStatement.isPresent(error) ? error : frame)
}

/** The id of a response that finished without an error, so that the next request can refer to it. */
export const finishedId = (frame: Json): string | undefined => {
  const { error, id, incomplete_details, status } = responseOf(frame)
  const isWhole =
    (frame["type"] === "response.completed" || frame["type"] === "response.done") &&
    (status === "completed" || !ErrorStatement.isPresent(status)) &&
    ![error, incomplete_details].some(ErrorStatement.isPresent)
  return isWhole && typeof id === "string" ? id : undefined
}

/** The maximum size of a message the server accepts, in bytes (protocol H.5). */
const maxSize = 16_777_215

/** Whether the message exceeds the maximum size. */
export const isTooLarge = (text: string): boolean =>
  text.length * 3 > maxSize && new TextEncoder().encode(text).length > maxSize

/** The `response.create` message: the body, and the routing token, which HTTP sends in a header (protocol B.5). */
export const createFrame = (turn: Carrier.Turn, decision: IncrementalInput.Decision): string => {
  const { request, routingToken } = turn
  const token = routingToken === undefined ? undefined : RoutingToken.toHeader(routingToken)
  const body: ResponsesRequest.ResponsesRequest = {
    ...request,
    ...(decision._tag === "Incremental" && { input: decision.input }),
    ...(token !== undefined && { client_metadata: { ...request.client_metadata, [RoutingToken.header]: token } })
  }
  const previous =
    decision._tag === "Incremental" ? `"previous_response_id":${JSON.stringify(decision.previousResponseId)},` : ""
  const generate = turn.ahead === "warm_up" ? '"generate":false,' : ""
  return `{"type":"response.create",${generate}${previous}${ResponsesRequest.toJson(body).slice(1)}`
}
