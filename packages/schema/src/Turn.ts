/**
 * The result of a turn, and the partial result of a failed one.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Item from "./Item.ts"
import * as Wire from "./internal/wire.ts"
import * as Origin from "./Origin.ts"
import * as RateLimits from "./RateLimits.ts"
import * as Repair from "./Repair.ts"
import * as RoutingToken from "./RoutingToken.ts"
import * as Usage from "./Usage.ts"

/**
 * An output item as the server sent it. An item of a known type with an invalid field is kept too, so that nothing is
 * lost; its static type is then wrong about that field, and `diagnostics.drift` names it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OutputItem: Schema.Schema<Item.Item> = Schema.Union(
  Item.Item,
  Wire.object({ type: Schema.String })
) as Schema.Schema.Any as Schema.Schema<Item.Item>

/**
 * A tool call for the caller to run. Its result refers to it by `callId`.
 *
 * - `function`: `arguments` is the model's JSON text, possibly empty or invalid. If the server sent an object, it is
 *   that object's JSON text.
 * - `custom`: `arguments` is any text.
 * - `local_shell` and `tool_search`: built-in tools run by the client; `name` equals `type`, and `arguments` is the
 *   JSON text of the shell's `action` or of the search's `arguments`.
 *
 * `unreadable` marks a call whose arguments are missing (`absent`), have the wrong type (`wrong_type`) or are nested
 * too deeply to serialize (`too_deep`). It must not be executed; answer it with an error text. Its `arguments` are the
 * JSON text of what was received, `null` if nothing was: never blank, which would mean "no arguments".
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCall = Schema.Struct({
  type: Schema.Literal("function", "custom", "local_shell", "tool_search"),
  callId: Schema.String,
  name: Schema.String,
  namespace: Wire.optional(Schema.String),
  arguments: Schema.String,
  unreadable: Wire.optional(Schema.Literal("absent", "wrong_type", "too_deep"))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolCall extends Schema.Schema.Type<typeof ToolCall> {}

/**
 * Text of the model: one content part of one message. `phase` is `commentary` or `final_answer` if the server sent it;
 * `annotations` are citations, unchanged.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TextBlock = Schema.TaggedStruct("Text", {
  outputIndex: Wire.count,
  text: Schema.String,
  phase: Wire.optional(Schema.String),
  annotations: Schema.Array(Schema.Unknown)
})

/**
 * A refusal, with the model's text.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RefusalBlock = Schema.TaggedStruct("Refusal", { outputIndex: Wire.count, text: Schema.String })

/**
 * The visible reasoning: the parts of the summary, and raw reasoning text, which few servers send.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningBlock = Schema.TaggedStruct("Reasoning", {
  outputIndex: Wire.count,
  summary: Schema.Array(Schema.String),
  content: Schema.Array(Schema.String)
})

/**
 * A `function` or `custom` tool call. `finished` is true once the server has sent the complete item; whether the call
 * may be executed depends on the whole turn: see {@link Turn}.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallBlock = Schema.TaggedStruct("ToolCall", {
  outputIndex: Wire.count,
  call: ToolCall,
  finished: Schema.Boolean
})

/**
 * Any other item: a hosted tool call, a `local_shell_call` or `tool_search_call`, a compaction, an unknown item type.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ItemBlock = Schema.TaggedStruct("Item", {
  outputIndex: Wire.count,
  type: Schema.String,
  status: Wire.optional(Schema.String)
})

/**
 * One block of the output. Blocks are sorted in output order, not in order of arrival.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Block = Schema.Union(TextBlock, RefusalBlock, ReasoningBlock, ToolCallBlock, ItemBlock)

/**
 * @since 0.1.0
 * @category models
 */
export type Block = TextBlock | RefusalBlock | ReasoningBlock | ToolCallBlock | ItemBlock

/**
 * @since 0.1.0
 * @category models
 */
export interface TextBlock extends Schema.Schema.Type<typeof TextBlock> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface RefusalBlock extends Schema.Schema.Type<typeof RefusalBlock> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ReasoningBlock extends Schema.Schema.Type<typeof ReasoningBlock> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolCallBlock extends Schema.Schema.Type<typeof ToolCallBlock> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ItemBlock extends Schema.Schema.Type<typeof ItemBlock> {}

/**
 * A harmless difference between the server's stream and the protocol. `type` is the event's type; `field` is the path
 * of a field with an unexpected type, or describes an inconsistency (`"differs from its deltas"`, `"repeats the call
 * call_1"`, …). Recorded so that server changes are noticed early.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Drift = Schema.Struct({ type: Schema.String, field: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export interface Drift extends Schema.Schema.Type<typeof Drift> {}

/**
 * The transport of a turn, if there was a choice. `fallback` says why server-sent events were used although a WebSocket
 * was preferred:
 *
 * - `not_allowed`: the server does not accept WebSockets (426).
 * - `dial_failed`: a WebSocket could not be opened, now or several times before.
 * - `broken`: several consecutive WebSockets of the conversation closed or went idle during a turn.
 * - `too_large`: the request exceeds the maximum WebSocket message size.
 *
 * `input` says whether only new input or all input was sent over a WebSocket. In the latter case, `reason` is that of
 * `IncrementalInput.Decision`, and `at` names the first difference.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Route = Schema.Struct({
  via: Schema.Literal("sse", "websocket"),
  fallback: Wire.optional(Schema.Literal("not_allowed", "dial_failed", "broken", "too_large")),
  input: Wire.optional(Schema.Literal("incremental", "full")),
  reason: Wire.optional(Schema.Literal("no_previous", "field", "input", "output")),
  at: Wire.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Route extends Schema.Schema.Type<typeof Route> {}

/**
 * Decoder statistics: `events` counts all events, `unknown` those of an unknown type, `malformed` payloads that are not
 * JSON objects. `drift` lists the first few differences in known events, and `driftCount` counts all of them.
 * `unterminatedFinalEvent` is set if the terminal event was complete except for its final blank line. `route` is set by
 * the client.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Diagnostics = Schema.Struct({
  events: Wire.count,
  unknown: Wire.count,
  malformed: Wire.count,
  driftCount: Wire.count,
  drift: Schema.Array(Drift),
  lastEventType: Wire.optional(Schema.String),
  unterminatedFinalEvent: Wire.optional(Schema.Boolean),
  route: Wire.optional(Route)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Diagnostics extends Schema.Schema.Type<typeof Diagnostics> {}

const content = {
  responseId: Wire.optional(Schema.String),
  /** The model that served the turn, which may differ from the requested one. */
  model: Wire.optional(Schema.String),
  blocks: Schema.Array(Block),
  text: Schema.String,
  usage: Wire.optional(Usage.Usage),
  rateLimits: Wire.optional(RateLimits.RateLimits),
  diagnostics: Diagnostics
}

/**
 * A finished turn.
 *
 * - `status` is `completed` if the event type, the status (`completed` or absent), and the absence of an error and of
 *   incomplete details all agree. Otherwise it is `incomplete`, with the server's `incompleteReason`
 *   (`max_output_tokens`, `content_filter`, …) or, if there is none, the response's status.
 * - `items` are the finished output items in output order: add them to the next request to continue (C.5). They are
 *   unchanged, except that streamed text missing from an item is added to it.
 * - `toolCalls` may be executed: their items are complete wherever the server shows them, no two share a `callId`, and
 *   the turn completed. All other calls are in `abandonedToolCalls` and must not be executed.
 * - `text` is all text blocks joined; `refusal` all refusals.
 * - `endTurn: false` without a tool call asks for another request with the history so far (D.4).
 * - `extra` holds all other keys of the terminal response (`usage_metadata`, `reasoning`, `metadata`, …), unchanged,
 *   without the request's own `instructions` and `tools`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Turn = Schema.Struct({
  ...content,
  status: Schema.Literal("completed", "incomplete"),
  incompleteReason: Wire.optional(Schema.String),
  items: Schema.Array(OutputItem),
  toolCalls: Schema.Array(ToolCall),
  abandonedToolCalls: Schema.Array(ToolCall),
  refusal: Wire.optional(Schema.String),
  endTurn: Wire.optional(Schema.Boolean),
  serviceTier: Wire.optional(Schema.String),
  extra: Wire.optional(Wire.object({})),
  /** The number of requests sent; set by the client. */
  attempts: Wire.optional(Wire.count),
  /** The changes made to the request so that the backend accepts it; set by the client. */
  repairs: Wire.optional(Schema.Array(Repair.Repair)),
  /**
   * The request's input as sent to the backend; set by the client. Continue with `[...Redacted.value(turn.input),
   * ...turn.items]`. `Redacted` keeps it out of logs.
   */
  input: Wire.optional(Schema.Redacted(Schema.Array(OutputItem))),
  /** The account and model that created the encrypted content of `items`; set by the client. */
  origin: Wire.optional(Origin.Tag),
  /** The server's id of the request that succeeded; set by the client. */
  requestId: Wire.optional(Schema.String),
  /** Later requests of the same turn, with the results of its tool calls, send it back: see `RoutingToken`. */
  routingToken: Wire.optional(Schema.Redacted(Schema.String))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Turn extends Schema.Schema.Type<typeof Turn> {}

/**
 * The output received before a turn failed, so that paid output is not lost. Its tool calls must not be executed.
 * `items` (the finished ones) can hold encrypted reasoning and are therefore `Redacted`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PartialTurn = Schema.Struct({
  ...content,
  items: Schema.Redacted(Schema.Array(OutputItem)),
  abandonedToolCalls: Schema.Array(ToolCall)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface PartialTurn extends Schema.Schema.Type<typeof PartialTurn> {}

type Raw = Readonly<Record<string, unknown>>

const asObject = (value: unknown): Raw | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : undefined

const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

const notBlank = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value : undefined

/**
 * One text of a finished item, with its kind and the index of its content part or summary part.
 *
 * @since 0.1.0
 * @category models
 */
export interface ItemText {
  readonly kind: "text" | "refusal" | "summary" | "content"
  readonly index: number
  readonly text: string
  readonly annotations: ReadonlyArray<unknown>
}

const none: ReadonlyArray<unknown> = []

const parts = (value: unknown): ReadonlyArray<unknown> =>
  Array.isArray(value) ? value : typeof value === "string" && value !== "" ? [value] : none

const messageText = (value: unknown, index: number): ItemText | undefined => {
  if (typeof value === "string") return { kind: "text", index, text: value, annotations: none }
  const part = asObject(value)
  switch (part?.["type"]) {
    case "refusal":
      return { kind: "refusal", index, text: asText(part["refusal"]) ?? "", annotations: none }
    case "output_text":
    case "input_text":
    case "text": {
      const annotations = part["annotations"]
      return {
        kind: "text",
        index,
        text: asText(part["text"]) ?? "",
        annotations: Array.isArray(annotations) ? annotations : none
      }
    }
    default:
      return undefined
  }
}

const reasoningText = (kind: "summary" | "content", value: unknown, index: number): ItemText => ({
  kind,
  index,
  text: asText(value) ?? asText(asObject(value)?.["text"]) ?? "",
  annotations: none
})

/**
 * The texts of a finished message or reasoning item, in order. Invalid parts of an item are skipped.
 *
 * @since 0.1.0
 * @category combinators
 */
export const textsOf = (item: Item.Item): ReadonlyArray<ItemText> => {
  const raw: Raw = item
  switch (item.type) {
    case "message":
      return parts(raw["content"]).flatMap((part, index) => messageText(part, index) ?? [])
    case "reasoning":
      return [
        ...parts(raw["summary"]).map((part, index) => reasoningText("summary", part, index)),
        ...parts(raw["content"]).map((part, index) => reasoningText("content", part, index))
      ]
    default:
      return []
  }
}

const jsonOf = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

type Arguments = Pick<ToolCall, "arguments" | "unreadable">

const unreadable = (value: unknown): Arguments =>
  value === undefined || value === null
    ? { arguments: "null", unreadable: "absent" }
    : { arguments: jsonOf(value) ?? "null", unreadable: "wrong_type" }

const jsonArguments = (value: unknown): Arguments => {
  if (typeof value === "string") return { arguments: value }
  if (asObject(value) === undefined) return unreadable(value)
  const json = jsonOf(value)
  return json === undefined ? { arguments: "null", unreadable: "too_deep" } : { arguments: json }
}

/** A namespace that is no text is not the local one either. */
const namespaceOf = (value: unknown): string | undefined =>
  typeof value === "string" || value === null ? notBlank(value) : jsonOf(value)

/**
 * The call in an item for the client to execute, or `undefined`: a `function_call`, a `custom_tool_call`, a
 * `local_shell_call`, or a `tool_search_call` whose `execution` is `client`. For a `local_shell_call` without a
 * `call_id`, the item id is the call id. Missing fields are `""`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const callOf = (item: Item.Item): ToolCall | undefined => {
  const raw: Raw = item
  const callId = asText(raw["call_id"]) ?? ""
  const namespace = namespaceOf(raw["namespace"])
  const named = { callId, name: asText(raw["name"]) ?? "", ...(namespace !== undefined && { namespace }) }
  switch (item.type) {
    case "function_call":
      return { type: "function", ...named, ...jsonArguments(raw["arguments"]) }
    case "custom_tool_call": {
      const input = raw["input"]
      return { type: "custom", ...named, ...(typeof input === "string" ? { arguments: input } : unreadable(input)) }
    }
    case "local_shell_call": {
      const action = raw["action"]
      return {
        type: "local_shell",
        callId: notBlank(callId) ?? asText(raw["id"]) ?? "",
        name: "local_shell",
        ...(typeof action === "string" ? unreadable(action) : jsonArguments(action))
      }
    }
    case "tool_search_call":
      return raw["execution"] === "client"
        ? { type: "tool_search", callId, name: "tool_search", ...jsonArguments(raw["arguments"]) }
        : undefined
    default:
      return undefined
  }
}

/**
 * The blocks of a finished item.
 *
 * @since 0.1.0
 * @category combinators
 */
export const blocksOf = (item: Item.Item, outputIndex: number): ReadonlyArray<Block> => {
  const raw: Raw = item
  switch (item.type) {
    case "message": {
      const phase = asText(raw["phase"])
      return textsOf(item).map(
        ({ annotations, kind, text }): Block =>
          kind === "refusal"
            ? { _tag: "Refusal", outputIndex, text }
            : { _tag: "Text", outputIndex, text, ...(phase !== undefined && { phase }), annotations }
      )
    }
    case "reasoning": {
      const texts = textsOf(item)
      const of = (kind: ItemText["kind"]) => texts.flatMap((text) => (text.kind === kind ? [text.text] : []))
      return [{ _tag: "Reasoning", outputIndex, summary: of("summary"), content: of("content") }]
    }
    case "function_call":
    case "custom_tool_call": {
      const call = callOf(item)
      return call === undefined ? [] : [{ _tag: "ToolCall", outputIndex, call, finished: true }]
    }
    default: {
      const status = asText(raw["status"])
      return [{ _tag: "Item", outputIndex, type: item.type, ...(status !== undefined && { status }) }]
    }
  }
}

/** The maximum string length; V8 has the smallest limit of all engines. */
const maxLength = 0x1fffffe8

const concat = (first: string, second: string): string =>
  first.length + second.length > maxLength ? first : first + second

/**
 * The joined text of the blocks, and the joined refusals, if any.
 *
 * @since 0.1.0
 * @category combinators
 */
export const wordsOf = (blocks: ReadonlyArray<Block>): Pick<Turn, "text" | "refusal"> => {
  let text = ""
  let refusal: string | undefined
  for (const block of blocks) {
    if (block._tag === "Text") text = concat(text, block.text)
    else if (block._tag === "Refusal") refusal = concat(refusal ?? "", block.text)
  }
  return { text, ...(refusal !== undefined && { refusal }) }
}

/**
 * Makes a turn from finished items, for the items kept from a failed attempt: `Turn.join(Turn.fromItems(kept), turn)`
 * is the whole turn. All its calls are abandoned, because items do not show whether their turn completed.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Turn } from "@effect-codex/schema"
 *
 * const turn = Turn.fromItems([
 *   { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] }
 * ])
 * turn.text // "Hello"
 * turn.blocks.length // 1
 * ```
 */
export const fromItems = (items: ReadonlyArray<Item.Item>): Turn => {
  const blocks = items.flatMap(blocksOf)
  return {
    status: "completed",
    blocks,
    ...wordsOf(blocks),
    items,
    toolCalls: [],
    abandonedToolCalls: items.flatMap((item) => callOf(item) ?? []),
    diagnostics: { events: 0, unknown: 0, malformed: 0, driftCount: 0, drift: [] }
  }
}

/**
 * Whether the server expects another request, with the history so far, to finish the turn (protocol D.4).
 *
 * @since 0.1.0
 * @category guards
 */
export const isUnfinished = ({ endTurn, status, toolCalls }: Turn): boolean =>
  status === "completed" && endTurn === false && toolCalls.length === 0

/** The maximum number of differences listed individually. */
const maxDrift = 20

const joinDiagnostics = (first: Diagnostics, second: Diagnostics): Diagnostics => ({
  ...first,
  ...second,
  events: first.events + second.events,
  unknown: first.unknown + second.unknown,
  malformed: first.malformed + second.malformed,
  driftCount: first.driftCount + second.driftCount,
  drift: [...first.drift, ...second.drift].slice(0, maxDrift)
})

/**
 * Joins two parts of one turn: output and usage are added, all other fields are taken from the second part if present.
 * Used when the server requires another request to finish a turn (`endTurn: false`), and when an attempt continues from
 * the items of a failed one. The first routing token is kept. A `callId` stays unique among the executable calls.
 *
 * @since 0.1.0
 * @category combinators
 */
export const join = (first: Turn, second: Turn): Turn => {
  const offset = first.blocks.reduce((next, block) => Math.max(next, block.outputIndex + 1), 0)
  const completed = second.status === "completed"
  const known = new Set(first.toolCalls.map((call) => call.callId))
  const news = second.toolCalls.filter((call) => !known.has(call.callId))
  const repeated = second.toolCalls.filter((call) => known.has(call.callId))
  const { incompleteReason: _, endTurn: __, ...earlier } = first
  const routingToken = RoutingToken.first(first.routingToken, second.routingToken)
  return {
    ...earlier,
    ...second,
    text: concat(first.text, second.text),
    blocks: [...first.blocks, ...second.blocks.map((block) => ({ ...block, outputIndex: block.outputIndex + offset }))],
    items: [...first.items, ...second.items],
    toolCalls: completed ? [...first.toolCalls, ...news] : [],
    abandonedToolCalls: [
      ...first.abandonedToolCalls,
      ...(completed ? repeated : [...first.toolCalls, ...second.toolCalls]),
      ...second.abandonedToolCalls
    ],
    diagnostics: joinDiagnostics(first.diagnostics, second.diagnostics),
    ...(first.usage !== undefined && second.usage !== undefined && { usage: Usage.add(first.usage, second.usage) }),
    ...(first.refusal !== undefined &&
      second.refusal !== undefined && { refusal: concat(first.refusal, second.refusal) }),
    ...(first.rateLimits !== undefined &&
      second.rateLimits !== undefined && { rateLimits: RateLimits.merge(first.rateLimits, second.rateLimits) }),
    ...(routingToken !== undefined && { routingToken }),
    ...(first.input !== undefined && { input: first.input }),
    ...(first.repairs !== undefined && { repairs: [...first.repairs, ...(second.repairs ?? [])] }),
    ...(second.attempts !== undefined && { attempts: (first.attempts ?? 0) + second.attempts })
  }
}
