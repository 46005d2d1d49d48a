/** The result of one call, as the final parts of a response. */
import type * as IdGenerator from "@effect/ai/IdGenerator"
import { IdGenerator as IdGeneratorTag } from "@effect/ai/IdGenerator"
import type * as Response from "@effect/ai/Response"
import type { History, Item, Repair, Turn } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Metadata from "../CodexMetadata.ts"
import type { Fit, Misfit, Toolkit } from "./toolkit.ts"

/** A finished call, with the output of all its requests joined into one turn. */
export interface Outcome {
  readonly turn: Turn.Turn
  /** The turn of the last request, which has the answer. */
  readonly last: Turn.Turn
  readonly requests: number
  readonly repairs: ReadonlyArray<Repair.Repair>
  readonly calls: ReadonlyArray<Fit>
  readonly misfits: ReadonlyArray<Misfit>
  readonly reason: Response.FinishReason
}

/** Parts of both streaming and non-streaming responses. */
type Part = Response.PartEncoded & Response.StreamPartEncoded

export const metadata = (
  { model, responseId }: Turn.Turn,
  timestamp: string
): Response.ResponseMetadataPartEncoded => ({
  type: "response-metadata",
  id: responseId,
  modelId: model,
  timestamp
})

export const finishReason = (turn: Turn.Turn, calls: ReadonlyArray<Fit>): Response.FinishReason => {
  if (turn.status === "incomplete") {
    switch (turn.incompleteReason) {
      case "max_output_tokens":
        return "length"
      case "content_filter":
        return "content-filter"
      default:
        return "other"
    }
  }
  if (calls.length > 0) return "tool-calls"
  if (turn.refusal !== undefined) return "content-filter"
  return turn.endTurn === false ? "pause" : "stop"
}

const sourceOf = (annotation: unknown): Effect.Effect<ReadonlyArray<Part>, never, IdGenerator.IdGenerator> => {
  if (!Predicate.isRecord(annotation)) return Effect.succeed([])
  const raw = annotation as Readonly<Record<string, unknown>>
  const { filename, title, type, url } = raw
  const metadata = { codex: { annotation: raw } }
  const withId = (part: (id: string) => Part) =>
    Effect.map(
      Effect.flatMap(IdGeneratorTag, (ids) => ids.generateId()),
      (id) => [part(id)]
    )
  if (type === "url_citation" && typeof url === "string" && URL.canParse(url)) {
    const name = typeof title === "string" && title !== "" ? title : url
    return withId((id) => ({ type: "source", sourceType: "url", id, url, title: name, metadata }))
  }
  if (type === "file_citation") {
    const name = typeof filename === "string" ? filename : "document"
    return withId((id) => ({
      type: "source",
      sourceType: "document",
      id,
      mediaType: "text/plain",
      title: name,
      fileName: name,
      metadata
    }))
  }
  return Effect.succeed([])
}

/** The citations of the answer. */
export const sources = (turn: Turn.Turn): Effect.Effect<ReadonlyArray<Part>, never, IdGenerator.IdGenerator> =>
  Effect.map(
    Effect.forEach(
      turn.blocks.flatMap((block) => (block._tag === "Text" ? block.annotations : [])),
      sourceOf
    ),
    (found) => found.flat()
  )

const mediaTypes: Readonly<Record<string, string>> = { png: "image/png", jpeg: "image/jpeg", webp: "image/webp" }

const imageOf = (item: Item.Item): ReadonlyArray<Part> => {
  const { output_format: format, result } = item as Readonly<Record<string, unknown>>
  if (item.type !== "image_generation_call" || typeof result !== "string" || result === "") return []
  // `@effect/ai` decodes the data, and invalid data would fail the whole response
  if (Either.isLeft(Encoding.decodeBase64(result))) return []
  return [{ type: "file", mediaType: mediaTypes[String(format)] ?? "image/png", data: result }]
}

/** A call executed by the server, if the toolkit has a tool for it. */
const hostedOf = (item: Item.Item, toolkit: Toolkit): ReadonlyArray<Part> => {
  const tool = toolkit.hosted(item.type)
  const { action, id, revised_prompt, status } = item as Readonly<Record<string, unknown>>
  if (tool === undefined || typeof id !== "string") return []
  const params = item.type === "web_search_call" ? { action } : { revised_prompt }
  const result = { status }
  const fits =
    Schema.is(Schema.encodedSchema(tool.parametersSchema as unknown as Schema.Schema.AnyNoContext))(params) &&
    Schema.is(Schema.encodedSchema(tool.successSchema as Schema.Schema.AnyNoContext))(result)
  if (!fits) return []
  const ran = { id, name: tool.name, providerName: tool.providerName, providerExecuted: true }
  return [
    { type: "tool-call", ...ran, params },
    { type: "tool-result", ...ran, result, isFailure: status === "failed" }
  ]
}

/** The calls and results of hosted tools. */
export const hosted = (turn: Turn.Turn, toolkit: Toolkit): ReadonlyArray<Part> =>
  turn.items.flatMap((item) => [...hostedOf(item, toolkit), ...imageOf(item)])

/** The calls for handlers. They must be in one chunk, because only handlers of one chunk run concurrently. */
export const toolCalls = ({ calls }: Outcome): ReadonlyArray<Part> =>
  calls.map(({ call, name, params }) => ({ type: "tool-call", id: call.callId, name, params, providerExecuted: false }))

export const answerOf = ({ call, error }: Misfit): History.Entry => ({
  role: "tool",
  content: [{ _tag: "ToolResult", callId: call.callId, output: error.message, isError: true }]
})

export const finish = (
  { misfits, reason, repairs, requests, turn }: Outcome,
  kept: Metadata.KeptTurn
): Response.FinishPartEncoded => {
  const { usage } = turn
  const codex: Metadata.Finish = {
    responseId: turn.responseId,
    model: turn.model,
    requestId: turn.requestId,
    serviceTier: turn.serviceTier,
    requests,
    attempts: turn.attempts ?? requests,
    cacheWriteTokens: usage?.cacheWriteTokens ?? 0,
    rateLimits: turn.rateLimits,
    repairs,
    incompleteReason: turn.incompleteReason,
    refusal: turn.refusal,
    invalidToolCalls: misfits.map(({ call, error }) => ({
      id: call.callId,
      name: call.name,
      arguments: call.arguments,
      answer: error.message
    })),
    turn: kept
  }
  return {
    type: "finish",
    reason,
    usage: {
      inputTokens: usage?.inputTokens,
      outputTokens: usage?.outputTokens,
      totalTokens: usage?.totalTokens,
      ...(usage !== undefined && { reasoningTokens: usage.reasoningTokens, cachedInputTokens: usage.cachedTokens })
    },
    metadata: { codex }
  }
}
