/**
 * Generates the events of a turn with the same keys in the same order as the real backend, so that optimisations of a
 * decoder are tested too.
 */
import type * as Usage from "@effect-codex/schema/Usage"
import type { Event, Request, ToolCall, Turn } from "../Script.ts"
import * as Invented from "./invented.ts"
import { asArray, asObject } from "./json.ts"
import { responseObject } from "./response.ts"

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

/** Splits between whole characters, so that no delta contains half of a surrogate pair. */
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

/** An output item: its initial state, its events, and its final state. */
interface Output {
  readonly added: Event
  readonly content: ReadonlyArray<Event>
  /** The events that close parts. A `failed` or `incomplete` turn does not send those of its last item. */
  readonly closing: ReadonlyArray<Event>
  readonly done: Event
}

/** The position of an item's events, and how its text is split. */
interface Place {
  readonly id: string
  readonly seed: string
  readonly at: { readonly item_id: string; readonly output_index: number }
  readonly size: number
}

const deltas = (type: string, { seed, size }: Place, at: Event, text: string, more: Event = {}): ReadonlyArray<Event> =>
  pieces(text, size).map((delta, n) => ({
    type,
    ...at,
    delta,
    ...more,
    obfuscation: Invented.obfuscation(`${seed}/${type}/${n}`, delta)
  }))

/** Whether the request includes encrypted reasoning. True without a body. */
const wantsEncrypted = (request: Request): boolean => {
  const body = asObject(request.body)
  return body === undefined || (asArray(body["include"]) ?? []).includes("reasoning.encrypted_content")
}

const reasoningOutput = (turn: Turn, request: Request, place: Place): Output => {
  const { at, id, seed } = place
  const summary = summaryOf(turn).map((text) => ({ type: "summary_text", text }))
  const item = (encrypted_content: string, summary: ReadonlyArray<Event>) => ({
    id,
    type: "reasoning",
    content: [],
    ...(wantsEncrypted(request) ? { encrypted_content } : {}),
    summary
  })
  return {
    added: item(Invented.encrypted(`${seed}/partial`), []),
    content: summary.flatMap((part, summary_index) => {
      const here = { ...at, summary_index }
      return [
        { type: "response.reasoning_summary_part.added", ...here, part: { type: "summary_text", text: "" } },
        ...deltas(
          "response.reasoning_summary_text.delta",
          { ...place, seed: `${seed}/${summary_index}` },
          here,
          part.text
        ),
        { type: "response.reasoning_summary_text.done", ...here, text: part.text },
        { type: "response.reasoning_summary_part.done", ...here, part }
      ]
    }),
    closing: [],
    done: item(Invented.encrypted(seed), summary)
  }
}

const messageOutput = (turn: Turn, place: Place): Output => {
  const refused = turn.refusal !== undefined
  const text = turn.refusal ?? turn.text ?? ""
  const part = (value: string): Event =>
    refused ? { type: "refusal", refusal: value } : { type: "output_text", annotations: [], logprobs: [], text: value }
  const kind = refused ? "refusal" : "output_text"
  const at = { ...place.at, content_index: 0 }
  const logprobs = refused ? {} : { logprobs: [] }
  const item = (status: string, content: ReadonlyArray<Event>) => ({
    id: place.id,
    type: "message",
    status,
    content,
    phase: (turn.toolCalls ?? []).length > 0 ? "commentary" : "final_answer",
    role: "assistant"
  })
  return {
    added: item("in_progress", []),
    content: [
      { type: "response.content_part.added", ...at, part: part("") },
      ...deltas(`response.${kind}.delta`, place, at, text, logprobs)
    ],
    closing: [
      { type: `response.${kind}.done`, ...at, [refused ? "refusal" : "text"]: text, ...logprobs },
      { type: "response.content_part.done", ...at, part: part(text) }
    ],
    done: item("completed", [part(text)])
  }
}

const callOutput = (call: ToolCall, callId: string, place: Place): Output => {
  const custom = "input" in call
  const text = argumentsOf(call)
  const kind = custom ? "custom_tool_call_input" : "function_call_arguments"
  const namespace = call.namespace === undefined ? {} : { namespace: call.namespace }
  const item = (status: string, text: string): Event =>
    custom
      ? { id: place.id, type: "custom_tool_call", status, call_id: callId, input: text, name: call.name, ...namespace }
      : { id: place.id, type: "function_call", status, arguments: text, call_id: callId, name: call.name, ...namespace }
  return {
    added: item("in_progress", ""),
    content: deltas(`response.${kind}.delta`, place, place.at, text),
    closing: [{ type: `response.${kind}.done`, ...place.at, [custom ? "input" : "arguments"]: text }],
    done: item("completed", text)
  }
}

const compactionOutput = ({ id, seed }: Place): Output => {
  const item = { id, type: "compaction", encrypted_content: Invented.encrypted(seed) }
  return { added: item, content: [], closing: [], done: item }
}

/** The events of a turn in the order of protocol D.3. The request number makes the ids unique. */
export const turnEvents = (turn: Turn, request: Request): ReadonlyArray<Event> => {
  const { number } = request
  const size = Math.max(1, turn.deltaSize ?? 6)
  const outputs: Array<Output> = []
  const add = (prefix: string, make: (place: Place) => Output) => {
    const id = `${prefix}_${number}_${outputs.length}`
    const at = { item_id: id, output_index: outputs.length }
    outputs.push(make({ id, seed: `${request.salt ?? ""}/${id}`, at, size }))
  }
  if (turn.reasoning !== undefined) add("rs", (place) => reasoningOutput(turn, request, place))
  if (turn.text !== undefined || turn.refusal !== undefined) add("msg", (place) => messageOutput(turn, place))
  for (const call of turn.toolCalls ?? []) {
    const callId = call.callId ?? `call_${number}_${outputs.length}`
    add("input" in call ? "ctc" : "fc", (place) => callOutput(call, callId, place))
  }
  if (turn.compaction === true) add("cmp", compactionOutput)

  const cutShort = turn.failed !== undefined || turn.incomplete !== undefined
  const items = outputs.flatMap((output, output_index) => [
    { type: "response.output_item.added", output_index, item: output.added },
    ...output.content,
    ...(cutShort && output_index === outputs.length - 1
      ? []
      : [...output.closing, { type: "response.output_item.done", output_index, item: output.done }])
  ])
  const started = responseObject(turn, request, { status: "in_progress" })
  const usage = wireUsage(turn)
  const terminal =
    turn.failed !== undefined
      ? { type: "response.failed", response: responseObject(turn, request, { status: "failed", error: turn.failed }) }
      : turn.incomplete !== undefined
        ? {
            type: "response.incomplete",
            response: responseObject(turn, request, { status: "incomplete", incomplete: turn.incomplete, usage })
          }
        : { type: "response.completed", response: responseObject(turn, request, { status: "completed", usage }) }
  const events: ReadonlyArray<Event> = [
    { type: "response.created", response: started },
    { type: "response.in_progress", response: started },
    ...items,
    terminal
  ]
  return events.map(({ type, ...fields }, sequence_number) => ({ type, sequence_number, ...fields }))
}
