/**
 * The wire form of stream events (protocol D.2, and those of the public Responses API).
 *
 * Each schema lists the keys this library reads and keeps all others. Indexes and ids are optional because servers omit
 * them; `sequence_number` and `obfuscation` are ignored.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Item from "./Item.ts"
import * as Wire from "./internal/wire.ts"
import * as Usage from "./Usage.ts"

const place = {
  item_id: Wire.nullish(Schema.String),
  output_index: Wire.nullish(Wire.count)
}

const event = <Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Wire.object({ type: Schema.Literal(type), ...fields })

/**
 * The error in `response.failed` and `error` events and in error bodies. The discriminator is in `code` or in `type`
 * (protocol E.1).
 *
 * @since 0.1.0
 * @category schemas
 */
export const WireError = Wire.object({
  code: Wire.nullish(Schema.String),
  type: Wire.nullish(Schema.String),
  message: Wire.nullish(Schema.String),
  param: Wire.nullish(Schema.String),
  plan_type: Wire.nullish(Schema.String),
  resets_at: Wire.nullish(Schema.Number),
  resets_in_seconds: Wire.nullish(Schema.Number)
})

/**
 * The response object in life-cycle events; every key is optional.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WireResponse = Wire.object({
  id: Wire.nullish(Schema.String),
  status: Wire.nullish(Schema.String),
  model: Wire.nullish(Schema.String),
  output: Wire.nullish(Schema.Array(Item.Item)),
  usage: Wire.nullish(Usage.WireUsage),
  error: Wire.nullish(WireError),
  incomplete_details: Wire.nullish(Wire.object({ reason: Wire.nullish(Schema.String) })),
  end_turn: Wire.nullish(Schema.Boolean),
  service_tier: Wire.nullish(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type WireResponse = typeof WireResponse.Type

const life = { response: Wire.nullish(WireResponse) }

/** Common fields of the events of one content or summary part. */
const part = { ...place, content_index: Wire.nullish(Wire.count) }
const summaryPart = { ...place, summary_index: Wire.nullish(Wire.count) }

/** The part itself, in the events that start and finish it. */
const wholePart = {
  part: Wire.nullish(
    Wire.object({
      type: Wire.nullish(Schema.String),
      text: Wire.nullish(Schema.String),
      refusal: Wire.nullish(Schema.String)
    })
  )
}

/**
 * The known events, by `type`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const byType = {
  "response.created": event("response.created", life),
  "response.in_progress": event("response.in_progress", life),
  "response.queued": event("response.queued", life),
  "response.output_item.added": event("response.output_item.added", { ...place, item: Item.Item }),
  "response.output_item.done": event("response.output_item.done", { ...place, item: Item.Item }),
  "response.content_part.added": event("response.content_part.added", { ...part, ...wholePart }),
  "response.content_part.done": event("response.content_part.done", { ...part, ...wholePart }),
  "response.output_text.delta": event("response.output_text.delta", { ...part, delta: Schema.NullOr(Schema.String) }),
  "response.output_text.done": event("response.output_text.done", { ...part, text: Schema.String }),
  "response.output_text.annotation.added": event("response.output_text.annotation.added", {
    ...part,
    annotation: Schema.Unknown
  }),
  "response.refusal.delta": event("response.refusal.delta", { ...part, delta: Schema.NullOr(Schema.String) }),
  "response.refusal.done": event("response.refusal.done", { ...part, refusal: Schema.String }),
  "response.reasoning_summary_part.added": event("response.reasoning_summary_part.added", {
    ...summaryPart,
    ...wholePart
  }),
  "response.reasoning_summary_part.done": event("response.reasoning_summary_part.done", {
    ...summaryPart,
    ...wholePart
  }),
  "response.reasoning_summary_text.delta": event("response.reasoning_summary_text.delta", {
    ...summaryPart,
    delta: Schema.NullOr(Schema.String)
  }),
  "response.reasoning_summary_text.done": event("response.reasoning_summary_text.done", {
    ...summaryPart,
    text: Schema.String
  }),
  "response.reasoning_text.delta": event("response.reasoning_text.delta", {
    ...part,
    delta: Schema.NullOr(Schema.String)
  }),
  "response.reasoning_text.done": event("response.reasoning_text.done", { ...part, text: Schema.String }),
  "response.function_call_arguments.delta": event("response.function_call_arguments.delta", {
    ...place,
    delta: Schema.NullOr(Schema.String)
  }),
  "response.function_call_arguments.done": event("response.function_call_arguments.done", {
    ...place,
    arguments: Schema.String,
    call_id: Wire.nullish(Schema.String),
    name: Wire.nullish(Schema.String)
  }),
  "response.custom_tool_call_input.delta": event("response.custom_tool_call_input.delta", {
    ...place,
    delta: Schema.NullOr(Schema.String)
  }),
  "response.custom_tool_call_input.done": event("response.custom_tool_call_input.done", {
    ...place,
    input: Schema.String
  }),
  "response.metadata": event("response.metadata", { headers: Wire.nullish(Schema.Unknown) }),
  "codex.response.metadata": event("codex.response.metadata", { headers: Wire.nullish(Schema.Unknown) }),
  "codex.rate_limits": event("codex.rate_limits", {}),
  keepalive: event("keepalive", {}),
  "responsesapi.websocket_timing": event("responsesapi.websocket_timing", {}),
  "response.completed": event("response.completed", life),
  "response.done": event("response.done", life),
  "response.incomplete": event("response.incomplete", life),
  "response.failed": event("response.failed", life),
  error: event("error", {
    error: Wire.nullish(Schema.Union(WireError, Schema.String)),
    code: Wire.nullish(Schema.String),
    message: Wire.nullish(Schema.String),
    detail: Wire.nullish(Schema.Unknown),
    status: Wire.nullish(Schema.Number),
    status_code: Wire.nullish(Schema.Number)
  })
} as const

const hostedStages = {
  web_search_call: ["in_progress", "searching", "completed"],
  file_search_call: ["in_progress", "searching", "completed"],
  code_interpreter_call: ["in_progress", "interpreting", "completed"],
  code_interpreter_call_code: ["delta", "done"],
  image_generation_call: ["in_progress", "generating", "partial_image", "completed"],
  mcp_call: ["in_progress", "completed", "failed"],
  mcp_call_arguments: ["delta", "done"],
  mcp_list_tools: ["in_progress", "completed", "failed"],
  shell_call_command: ["added", "delta", "done"],
  shell_call_output_content: ["added", "delta", "done"],
  apply_patch_call_operation_diff: ["delta", "done"],
  compaction: ["compacting"],
  audio: ["delta", "done"],
  "audio.transcript": ["delta", "done"],
  steer: ["accepted", "failed", "pending"]
} as const

/**
 * Progress events of hosted tools, including those of the public Responses API: the tool's name and the stage, by event
 * `type`.
 *
 * @since 0.1.0
 * @category models
 */
export const hosted: ReadonlyMap<string, { readonly tool: string; readonly stage: string }> = new Map(
  Object.entries(hostedStages).flatMap(([tool, stages]) =>
    stages.map((stage) => [`response.${tool}.${stage}`, { tool, stage }] as const)
  )
)

/**
 * An event of {@link hosted}: its output index, and a delta of code, arguments, a diff or an image. Shell output is an
 * object.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HostedEvent = Wire.object({
  type: Schema.String,
  ...place,
  delta: Wire.nullish(
    Schema.Union(
      Schema.String,
      Wire.object({ stdout: Wire.nullish(Schema.String), stderr: Wire.nullish(Schema.String) })
    )
  ),
  partial_image_b64: Wire.nullish(Schema.String)
})

/**
 * An event of a known type.
 *
 * @since 0.1.0
 * @category models
 */
export type KnownEvent = { [Type in keyof typeof byType]: (typeof byType)[Type]["Type"] }[keyof typeof byType]

/**
 * An event of an unknown type, kept unchanged.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnknownEvent {
  readonly type: Item.UnknownType
  readonly [key: string]: unknown
}

/**
 * Any event. Comparing `type` narrows to the member.
 *
 * @since 0.1.0
 * @category models
 */
export type ResponseEvent = KnownEvent | UnknownEvent

const knownTypes: ReadonlySet<string> = new Set([...Object.keys(byType), ...hosted.keys(), "response.error"])

/**
 * Whether this event type is known.
 *
 * @since 0.1.0
 * @category guards
 */
export const isKnownType = (type: string): boolean => knownTypes.has(type)

/**
 * Whether an event of this type ends the stream. `response.done` is an old name of `response.completed`,
 * `response.error` of `error` (protocol D.5).
 *
 * @since 0.1.0
 * @category guards
 */
export const isTerminalType = (type: string): boolean =>
  type === "response.completed" ||
  type === "response.done" ||
  type === "response.incomplete" ||
  type === "response.failed" ||
  type === "error" ||
  type === "response.error"
