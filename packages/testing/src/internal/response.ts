/**
 * The `response` object of the first and the last events of a turn, with all keys of the real backend in the same
 * order. It echoes the request.
 */
import type { Event, Request, Turn } from "../Script.ts"
import { asArray, asObject, asString, type Json } from "./json.ts"

/** The fields that differ between the events of a turn. */
export interface Outcome {
  readonly status: "in_progress" | "completed" | "incomplete" | "failed"
  readonly error?: { readonly code: string; readonly message: string }
  readonly incomplete?: string
  readonly usage?: Event | null
}

const tools = (body: Json): ReadonlyArray<unknown> => asArray(body["tools"]) ?? []

const textOf = (body: Json): Event => {
  const text = asObject(body["text"])
  return { format: text?.["format"] ?? { type: "text" }, verbosity: text?.["verbosity"] ?? "medium" }
}

/** The current response of a turn. Its `output` is empty, because nothing is stored (protocol 0.3). */
export const responseObject = (turn: Turn, request: Request, outcome: Outcome): Event => {
  const body = asObject(request.body) ?? {}
  const reasoning = asObject(body["reasoning"])
  const isOver = outcome.status !== "in_progress"
  return {
    id: turn.id ?? `resp_${request.number}`,
    object: "response",
    created_at: Math.floor(request.receivedAt / 1000),
    status: outcome.status,
    background: false,
    error: outcome.error ?? null,
    incomplete_details: outcome.incomplete === undefined ? null : { reason: outcome.incomplete },
    instructions: body["instructions"] ?? null,
    max_output_tokens: null,
    max_tool_calls: null,
    model: turn.model ?? asString(body["model"]) ?? "gpt-5.5",
    output: [],
    parallel_tool_calls: body["parallel_tool_calls"] ?? true,
    previous_response_id: null,
    prompt_cache_key: body["prompt_cache_key"] ?? null,
    prompt_cache_retention: null,
    reasoning: { effort: reasoning?.["effort"] ?? "medium", summary: reasoning?.["summary"] ?? null },
    safety_identifier: null,
    // The backend never confirms the requested tier (protocol C.11).
    service_tier: isOver ? "default" : "auto",
    store: false,
    temperature: 1,
    text: textOf(body),
    tool_choice: body["tool_choice"] ?? "auto",
    tools: tools(body),
    top_logprobs: 0,
    top_p: 1,
    truncation: "disabled",
    usage: outcome.usage ?? null,
    ...(isOver && turn.endTurn !== undefined ? { end_turn: turn.endTurn } : {}),
    user: null,
    metadata: {}
  }
}
