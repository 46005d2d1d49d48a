/**
 * A turn, spelled out as the events the backend sends for it.
 */
import type * as Usage from "@effect-codex/schema/Usage"
import type { Event, ToolCall, Turn } from "../Script.ts"

/** Tokens are about four characters. */
export const tokens = (text: string): number => Math.ceil(text.length / 4)

const argumentsOf = (call: ToolCall): string =>
  "input" in call
    ? call.input
    : typeof call.arguments === "string"
      ? call.arguments
      : JSON.stringify(call.arguments ?? {})

const summaryOf = (turn: Turn): ReadonlyArray<string> =>
  turn.reasoning === undefined ? [] : typeof turn.reasoning === "string" ? [turn.reasoning] : turn.reasoning

/** Whole characters, so that no delta holds half of a surrogate pair. */
const pieces = (text: string, size: number): ReadonlyArray<string> => {
  const characters = Array.from(text)
  const out: Array<string> = []
  for (let i = 0; i < characters.length; i += size) out.push(characters.slice(i, i + size).join(""))
  return out
}

const wireUsage = (turn: Turn): Event | null => {
  if (turn.usage === null) return null
  const reasoningTokens = turn.usage?.reasoningTokens ?? tokens(summaryOf(turn).join(""))
  const written = [turn.text ?? "", turn.refusal ?? "", ...(turn.toolCalls ?? []).map(argumentsOf)].join("")
  const usage: Usage.Usage = {
    inputTokens: 100,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: tokens(written) + reasoningTokens,
    totalTokens: 0,
    ...turn.usage,
    reasoningTokens
  }
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens, cache_write_tokens: usage.cacheWriteTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: turn.usage?.totalTokens ?? usage.inputTokens + usage.outputTokens
  }
}

/** One output item: what it looks like at first, what it brings, what it is in the end. */
interface Output {
  readonly added: Event
  readonly content: ReadonlyArray<Event>
  /** Events that close parts; a turn cut short by `failed` or `incomplete` never sends those of its last item. */
  readonly closing: ReadonlyArray<Event>
  readonly done: Event
}

const reasoningOutput = (turn: Turn, id: string, place: Event, size: number): Output => {
  const added = { type: "reasoning", id, summary: [], content: null, encrypted_content: `gAAAA-partial-${id}` }
  const summary = summaryOf(turn).map((text) => ({ type: "summary_text", text }))
  return {
    added,
    content: summary.flatMap((part, summary_index) => [
      {
        type: "response.reasoning_summary_part.added",
        ...place,
        summary_index,
        part: { type: "summary_text", text: "" }
      },
      ...pieces(part.text, size).map((delta) => ({
        type: "response.reasoning_summary_text.delta",
        ...place,
        summary_index,
        delta
      })),
      { type: "response.reasoning_summary_text.done", ...place, summary_index, text: part.text },
      { type: "response.reasoning_summary_part.done", ...place, summary_index, part }
    ]),
    closing: [],
    done: { ...added, summary, encrypted_content: `gAAAA-${id}` }
  }
}

const messageOutput = (turn: Turn, id: string, place: Event, size: number): Output => {
  const refused = turn.refusal !== undefined
  const text = turn.refusal ?? turn.text ?? ""
  const part = (value: string): Event =>
    refused ? { type: "refusal", refusal: value } : { type: "output_text", text: value, annotations: [], logprobs: [] }
  const kind = refused ? "refusal" : "output_text"
  const at = { ...place, content_index: 0 }
  const added = {
    type: "message",
    id,
    role: "assistant",
    status: "in_progress",
    phase: (turn.toolCalls ?? []).length > 0 ? "commentary" : "final_answer",
    content: []
  }
  return {
    added,
    content: [
      { type: "response.content_part.added", ...at, part: part("") },
      ...pieces(text, size).map((delta) => ({ type: `response.${kind}.delta`, ...at, delta }))
    ],
    closing: [
      { type: `response.${kind}.done`, ...at, [refused ? "refusal" : "text"]: text },
      { type: "response.content_part.done", ...at, part: part(text) }
    ],
    done: { ...added, status: "completed", content: [part(text)] }
  }
}

const callOutput = (call: ToolCall, id: string, callId: string, place: Event, size: number): Output => {
  const custom = "input" in call
  const text = argumentsOf(call)
  const kind = custom ? "custom_tool_call_input" : "function_call_arguments"
  const key = custom ? "input" : "arguments"
  const added = {
    type: custom ? "custom_tool_call" : "function_call",
    id,
    call_id: callId,
    name: call.name,
    ...(call.namespace === undefined ? {} : { namespace: call.namespace }),
    [key]: "",
    status: "in_progress"
  }
  return {
    added,
    content: pieces(text, size).map((delta) => ({ type: `response.${kind}.delta`, ...place, delta })),
    closing: [{ type: `response.${kind}.done`, ...place, [key]: text }],
    done: { ...added, [key]: text, status: "completed" }
  }
}

/** The events of a turn in the order of protocol D.3; `number` makes the ids unique. */
export const turnEvents = (turn: Turn, number: number): ReadonlyArray<Event> => {
  const size = Math.max(1, turn.deltaSize ?? 6)
  const outputs: Array<Output> = []
  const add = (prefix: string, make: (id: string, place: Event) => Output) => {
    const id = `${prefix}_${number}_${outputs.length}`
    outputs.push(make(id, { item_id: id, output_index: outputs.length }))
  }
  if (turn.reasoning !== undefined) add("rs", (id, place) => reasoningOutput(turn, id, place, size))
  if (turn.text !== undefined || turn.refusal !== undefined) {
    add("msg", (id, place) => messageOutput(turn, id, place, size))
  }
  for (const call of turn.toolCalls ?? []) {
    const callId = call.callId ?? `call_${number}_${outputs.length}`
    add("input" in call ? "ctc" : "fc", (id, place) => callOutput(call, id, callId, place, size))
  }

  const response = { id: turn.id ?? `resp_${number}`, object: "response", model: turn.model ?? "gpt-5.5", output: [] }
  const cutShort = turn.failed !== undefined || turn.incomplete !== undefined
  const items = outputs.flatMap((output, output_index) => [
    { type: "response.output_item.added", output_index, item: output.added },
    ...output.content,
    ...(cutShort && output_index === outputs.length - 1
      ? []
      : [...output.closing, { type: "response.output_item.done", output_index, item: output.done }])
  ])
  const terminal: Event =
    turn.failed !== undefined
      ? { type: "response.failed", response: { ...response, status: "failed", error: turn.failed, usage: null } }
      : turn.incomplete !== undefined
        ? {
            type: "response.incomplete",
            response: {
              ...response,
              status: "incomplete",
              incomplete_details: { reason: turn.incomplete },
              usage: wireUsage(turn)
            }
          }
        : {
            type: "response.completed",
            response: {
              ...response,
              status: "completed",
              usage: wireUsage(turn),
              ...(turn.endTurn === undefined ? {} : { end_turn: turn.endTurn })
            }
          }
  return [
    { type: "response.created", response: { ...response, status: "in_progress" } },
    { type: "response.in_progress", response: { ...response, status: "in_progress" } },
    ...items,
    terminal
  ].map((event, sequence_number) => ({ ...event, sequence_number }))
}
