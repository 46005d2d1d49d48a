/**
 * What one turn of the model came to, and what there was of a turn that broke.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Item from "./Item.ts"
import * as Wire from "./internal/wire.ts"
import * as RateLimits from "./RateLimits.ts"
import * as Usage from "./Usage.ts"

/**
 * A call the model wants the caller to make. `arguments` is the model's own text: JSON for a `function` (possibly empty
 * or broken), anything for a `custom` tool. It is never repaired and never replaced.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCall = Schema.Struct({
  type: Schema.Literal("function", "custom"),
  callId: Schema.String,
  name: Schema.String,
  namespace: Wire.optional(Schema.String),
  arguments: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type ToolCall = typeof ToolCall.Type

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
 * A tool call. `finished` is true once the server has sent the whole item; whether it may be carried out is a matter
 * of the whole turn: see {@link Turn}.
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
 * An item of another kind: a tool the server ran itself, a compaction, an item type this library does not know.
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
export type Block = typeof Block.Type

/**
 * Where the server's stream differed from the protocol, without harm: an event of a known type whose field had another
 * type. Kept so that a change of the server is noticed before it hurts.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Drift = Schema.Struct({ type: Schema.String, field: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export type Drift = typeof Drift.Type

/**
 * What the decoder saw and passed over: `events` is the number of events read, `unknown` those of a type not known
 * here, `malformed` the payloads that were no JSON object, `drift` the first few differences of known events and
 * `driftCount` all of them. `unterminatedFinalEvent` is set when the terminal event came whole but without its closing
 * blank line.
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
  unterminatedFinalEvent: Wire.optional(Schema.Boolean)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Diagnostics = typeof Diagnostics.Type

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
 * - `status` is `completed`, or `incomplete` with the server's `incompleteReason` (`max_output_tokens`,
 *   `content_filter`, …).
 * - `items` are the finished output items in output order, verbatim: put them into the next request to go on (C.5).
 * - `toolCalls` may be carried out: their items are finished and the turn completed. Calls of a turn that did not
 *   complete are `abandonedToolCalls` and must not be.
 * - `text` is all text blocks joined; `refusal` what the model said in declining.
 * - `endTurn: false` without a tool call asks for another request with the history so far (D.4).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Turn = Schema.Struct({
  ...content,
  status: Schema.Literal("completed", "incomplete"),
  incompleteReason: Wire.optional(Schema.String),
  items: Schema.Array(Item.Item),
  toolCalls: Schema.Array(ToolCall),
  abandonedToolCalls: Schema.Array(ToolCall),
  refusal: Wire.optional(Schema.String),
  endTurn: Wire.optional(Schema.Boolean),
  serviceTier: Wire.optional(Schema.String),
  /** How many requests it took; set by the client, which sends them. */
  attempts: Wire.optional(Wire.count),
  /** The server's id of the request that succeeded; set by the client. */
  requestId: Wire.optional(Schema.String),
  /** Requests that go on with the same turn, to answer its tool calls, send it back: see `RoutingToken`. */
  routingToken: Wire.optional(Schema.Redacted(Schema.String))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Turn = typeof Turn.Type

/**
 * What had arrived of a turn that failed: nothing the user paid for is lost. No tool call in it may be carried out.
 * `items` (the finished ones) can hold encrypted reasoning and are therefore `Redacted`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PartialTurn = Schema.Struct({
  ...content,
  items: Schema.Redacted(Schema.Array(Item.Item)),
  abandonedToolCalls: Schema.Array(ToolCall)
})

/**
 * @since 0.1.0
 * @category models
 */
export type PartialTurn = typeof PartialTurn.Type

const blocksOf = (item: Item.Item, outputIndex: number): ReadonlyArray<Block> => {
  switch (item.type) {
    case "message":
      return item.content.flatMap((part): ReadonlyArray<Block> => {
        if (part.type === "refusal") return [{ _tag: "Refusal", outputIndex, text: part.refusal }]
        if (part.type !== "output_text") return []
        const phase = item.phase ?? undefined
        const annotations = part.annotations ?? []
        return [{ _tag: "Text", outputIndex, text: part.text, annotations, ...(phase !== undefined && { phase }) }]
      })
    case "reasoning":
      return [
        {
          _tag: "Reasoning",
          outputIndex,
          summary: item.summary.map(({ text }) => text),
          content: (item.content ?? []).map(({ text }) => text)
        }
      ]
    default:
      return [{ _tag: "Item", outputIndex, type: item.type }]
  }
}

/**
 * The turn that finished items alone make: messages, reasoning and hosted tools. Calls are shown, and are nothing to
 * carry out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromItems = (items: ReadonlyArray<Item.Item>): Turn => {
  const blocks = items.flatMap(blocksOf)
  const text = blocks.map((block) => (block._tag === "Text" ? block.text : "")).join("")
  const refusals = blocks.flatMap((block) => (block._tag === "Refusal" ? [block.text] : []))
  return {
    status: "completed",
    blocks,
    text,
    items,
    toolCalls: [],
    abandonedToolCalls: [],
    diagnostics: { events: 0, unknown: 0, malformed: 0, driftCount: 0, drift: [] },
    ...(refusals.length > 0 && { refusal: refusals.join("") })
  }
}

/**
 * Two parts of one turn as one: what the second asks for, says and costs comes after the first. Used where the server
 * had a turn finished in a further request (`endTurn: false`), or where an attempt went on from items of a broken one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const join = (first: Turn, second: Turn): Turn => {
  const offset = first.blocks.reduce((next, block) => Math.max(next, block.outputIndex + 1), 0)
  const usage =
    first.usage !== undefined && second.usage !== undefined
      ? Usage.add(first.usage, second.usage)
      : (second.usage ?? first.usage)
  const refusal =
    first.refusal === undefined && second.refusal === undefined
      ? undefined
      : `${first.refusal ?? ""}${second.refusal ?? ""}`
  return {
    ...second,
    text: first.text + second.text,
    blocks: [...first.blocks, ...second.blocks.map((block) => ({ ...block, outputIndex: block.outputIndex + offset }))],
    items: [...first.items, ...second.items],
    ...(usage !== undefined && { usage }),
    ...(refusal !== undefined && { refusal }),
    ...(second.attempts !== undefined && { attempts: (first.attempts ?? 0) + second.attempts })
  }
}
