/**
 * The result of one turn, and what there was of a turn that broke.
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
 * An output item as the server sent it. One of a known type with a field that does not fit is kept as well, so that
 * nothing is lost; its type then promises more than it holds, and `diagnostics.drift` names the field.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OutputItem: Schema.Schema<Item.Item> = Schema.Union(
  Item.Item,
  Wire.object({ type: Schema.String })
) as Schema.Schema.Any as Schema.Schema<Item.Item>

/**
 * A call the model wants the caller to make. `callId` names it in the answer.
 *
 * - `function`: `arguments` is the model's own JSON text, possibly empty or broken. Arguments that came as an object are
 *   that object's JSON text.
 * - `custom`: `arguments` is any text.
 * - `local_shell` and `tool_search`: calls of the server's own kinds, to be carried out by the client; `name` is the same
 *   as `type`, and `arguments` is the JSON text of the shell's `action` or of the search's `arguments`.
 *
 * `unreadable` marks a call whose arguments did not arrive (`absent`), are not of the kind they must be (`wrong_type`) or
 * are nested beyond what can be written (`too_deep`). It must not be carried out; answer it in words. Its `arguments` are
 * the JSON text of what came, `null` if nothing did: never blank, which would mean "no arguments".
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
 * Text the model wrote: one content part of one message. `phase` is `commentary` or `final_answer` where the model
 * says so; `annotations` are citations, as they came.
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
 * The model declined, in these words.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RefusalBlock = Schema.TaggedStruct("Refusal", { outputIndex: Wire.count, text: Schema.String })

/**
 * What the model showed of its reasoning: the parts of the summary, and raw reasoning text, which few servers send.
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
 * A tool call of the kinds `function` and `custom`. `finished` is true once the server has sent the whole item; whether it
 * may be carried out is a matter of the whole turn: see {@link Turn}.
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
 * An item of another kind: a tool that the server ran, a `local_shell_call` or `tool_search_call`, a compaction, an item
 * type this library does not know.
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
 * One piece of the output. Blocks stand in output order, whatever order they arrived in.
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
 * Where the server's stream differed from the protocol, without harm. `type` is the event's type; `field` is the path of
 * a field of another type, or says what differs from what came before (`"differs from its deltas"`, `"repeats the call
 * call_1"`, …). Kept so that a change of the server is noticed before it hurts.
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
 * Which way a turn went, where there was more than one. `fallback` says why it went by server-sent events although a
 * WebSocket was wanted:
 *
 * - `not_allowed`: the server takes no WebSockets (426).
 * - `dial_failed`: no WebSocket could be opened, now or several times before.
 * - `broken`: several WebSockets of the conversation ended or fell silent within a turn, one after the other.
 * - `too_large`: the request is larger than a WebSocket takes.
 *
 * `input` says what of it was sent over a WebSocket: only what the server had not got, or everything. Then `reason` is that
 * of `IncrementalInput.Decision`, and `at` names the first difference.
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
 * What the decoder read and what it skipped: `events` is the number of events read, `unknown` those of a type not known
 * here, `malformed` the payloads that are not JSON objects, `drift` the first few differences of known events and
 * `driftCount` all of them. `unterminatedFinalEvent` is set when the terminal event was complete except for its closing
 * blank line. `route` is set by the client, which sends the request.
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
  /** The model that really served, which may differ from the one asked for. */
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
 * - `status` is `completed` when the response says so in every way: by its event, by its status (`completed` or absent),
 *   and by having neither an error nor incomplete details. Otherwise it is `incomplete`, with the server's
 *   `incompleteReason` (`max_output_tokens`, `content_filter`, …) or, without one, the response's own status.
 * - `items` are the finished output items in output order: put them into the next request to go on (C.5). They are as
 *   they came; text that was shown and that its item leaves out is put into it.
 * - `toolCalls` may be carried out: their items are complete, no two have the same `callId`, and the turn completed. All
 *   other calls are `abandonedToolCalls` and must not be.
 * - `text` is all text blocks joined; `refusal` all refusals.
 * - `endTurn: false` without a tool call asks for another request with the history so far (D.4).
 * - `extra` is what else the terminal response had (`usage_metadata`, `reasoning`, `metadata`, …), as it came, without
 *   the request's own `instructions` and `tools`.
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
  /** How many requests it took; set by the client, which sends them. */
  attempts: Wire.optional(Wire.count),
  /** What was changed of the request so that the backend accepts it; set by the client. */
  repairs: Wire.optional(Schema.Array(Repair.Repair)),
  /**
   * The request's input as the backend accepted it; set by the client. A next request goes on from
   * `[...Redacted.value(turn.input), ...turn.items]`. `Redacted` keeps it out of logs.
   */
  input: Wire.optional(Schema.Redacted(Schema.Array(OutputItem))),
  /** Which account and model the encrypted content of `items` is from; set by the client. */
  origin: Wire.optional(Origin.Tag),
  /** The server's id of the request that succeeded; set by the client. */
  requestId: Wire.optional(Schema.String),
  /** Requests that go on with the same turn, to answer its tool calls, send it back: see `RoutingToken`. */
  routingToken: Wire.optional(Schema.Redacted(Schema.String))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Turn extends Schema.Schema.Type<typeof Turn> {}

/**
 * What had arrived of a turn that failed: nothing the user paid for is lost. No tool call in it may be carried out.
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
 * One text of a finished item: its kind, and the index of its content part or summary part.
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
 * The texts of a finished message or reasoning item, in order. An item that does not fit its type is read as far as it
 * goes.
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

/**
 * The call in an item that asks the client to do something, or `undefined`: a `function_call`, a `custom_tool_call`, a
 * `local_shell_call`, or a `tool_search_call` whose `execution` is `client`. A `local_shell_call` without a `call_id` is
 * answered by its item's id. What the item does not say is `""`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const callOf = (item: Item.Item): ToolCall | undefined => {
  const raw: Raw = item
  const callId = asText(raw["call_id"]) ?? ""
  const namespace = notBlank(raw["namespace"])
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

/** The longest text an engine can hold; V8's is the shortest. */
const maxLength = 0x1fffffe8

const concat = (first: string, second: string): string =>
  first.length + second.length > maxLength ? first : first + second

/**
 * All text of some blocks joined, and all refusals, which are absent where there is none.
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
 * A turn from finished items alone, for items that were kept of a broken attempt: `Turn.join(Turn.fromItems(kept), turn)`
 * is the whole turn. Its calls are abandoned ones, because items do not show whether their turn ended well.
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
 * Whether the server wants the turn finished in a further request, with the history so far (protocol D.4).
 *
 * @since 0.1.0
 * @category guards
 */
export const isUnfinished = ({ endTurn, status, toolCalls }: Turn): boolean =>
  status === "completed" && endTurn === false && toolCalls.length === 0

/** The most differences that are listed one by one. */
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
 * Two parts of one turn as one: the output and the cost of the second are added to those of the first, everything else
 * is the second's where it has it. Used where the server had a turn finished in a further request (`endTurn: false`), or
 * where an attempt went on from items of a broken one. The first routing token stays. A `callId` stays unique among the calls that may be carried out.
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
