/**
 * The wire form of a conversation's items: the elements of a request's `input` and of a response's output (protocol
 * C.4).
 *
 * An item is the server's JSON object. Decoding validates the keys this library reads and keeps all other keys, in
 * order, so the next request sends an item back exactly as it was received (C.5). An item type unknown to this library
 * decodes as an {@link UnknownItem}; it is kept and never an error.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"

/**
 * Input text.
 *
 * @since 0.1.0
 * @category schemas
 */
export const InputText = Wire.object({ type: Schema.Literal("input_text"), text: Schema.String })

/**
 * An image by URL or as a `data:` URL. `detail: "original"` only where the model's catalogue entry allows it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const InputImage = Wire.object({
  type: Schema.Literal("input_image"),
  image_url: Schema.String,
  detail: Wire.optional(Wire.open("auto", "low", "high", "original"))
})

/**
 * A document, by URL or as base64 data (from the public Responses API).
 *
 * @since 0.1.0
 * @category schemas
 */
export const InputFile = Wire.object({
  type: Schema.Literal("input_file"),
  file_data: Wire.optional(Schema.String),
  file_url: Wire.optional(Schema.String),
  file_id: Wire.optional(Schema.String),
  filename: Wire.optional(Schema.String)
})

/**
 * Audio, as a `data:` URL.
 *
 * @since 0.1.0
 * @category schemas
 */
export const InputAudio = Wire.object({ type: Schema.Literal("input_audio"), audio_url: Schema.String })

/**
 * Output text of the model. `annotations` are citations and file paths, kept unchanged.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OutputText = Wire.object({
  type: Schema.Literal("output_text"),
  text: Schema.String,
  annotations: Wire.nullish(Schema.Array(Schema.Unknown))
})

/**
 * A refusal, in the model's words.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Refusal = Wire.object({ type: Schema.Literal("refusal"), refusal: Schema.String })

/**
 * Encrypted content that only the server can read.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EncryptedContent = Wire.object({
  type: Schema.Literal("encrypted_content"),
  encrypted_content: Schema.String
})

/**
 * A type name unknown to this library. At run time it is the server's string. For the type checker it is opaque, so
 * that comparing `type` with a known name narrows a union that has unknown members.
 *
 * @since 0.1.0
 * @category models
 */
export declare enum UnknownType {
  /** Exists only in types; it makes the type distinct from every known name. */
  opaque = "a type name not known here"
}

const typeOtherThan = (known: Iterable<string>) =>
  Wire.otherThan(known, "a known type with fields that do not fit it") as unknown as Schema.Schema<UnknownType, string>

const partMembers = [InputText, InputImage, InputFile, InputAudio, OutputText, Refusal, EncryptedContent] as const

/**
 * A content part of a type this library does not know.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UnknownPart = Wire.object({
  type: typeOtherThan(partMembers.map((member) => member.fields.type.literals[0]))
})

const part = Schema.Union(...partMembers, UnknownPart)

/**
 * @since 0.1.0
 * @category models
 */
export interface InputText extends Schema.Schema.Type<typeof InputText> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface InputImage extends Schema.Schema.Type<typeof InputImage> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface InputFile extends Schema.Schema.Type<typeof InputFile> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface InputAudio extends Schema.Schema.Type<typeof InputAudio> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface OutputText extends Schema.Schema.Type<typeof OutputText> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Refusal extends Schema.Schema.Type<typeof Refusal> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface EncryptedContent extends Schema.Schema.Type<typeof EncryptedContent> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface UnknownPart extends Schema.Schema.Type<typeof UnknownPart> {}

/**
 * @since 0.1.0
 * @category models
 */
export type ContentPart =
  | InputText
  | InputImage
  | InputFile
  | InputAudio
  | OutputText
  | Refusal
  | EncryptedContent
  | UnknownPart

/**
 * One part of a message's content.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ContentPart: Schema.Schema<ContentPart, typeof part.Encoded> = part

/**
 * The output of a tool: text, or content parts if it includes images or audio (C.4).
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolOutput = Schema.Union(Schema.String, Schema.Array(ContentPart))

/**
 * @since 0.1.0
 * @category models
 */
export type ToolOutput = typeof ToolOutput.Type

/**
 * A message of any role. `phase` distinguishes commentary from the final answer and must be kept when the item is
 * replayed (C.5).
 *
 * @since 0.1.0
 * @category schemas
 */
export const MessageItem = Wire.object({
  type: Schema.Literal("message"),
  id: Wire.nullish(Schema.String),
  role: Wire.open("user", "assistant", "developer", "system"),
  content: Schema.Array(ContentPart),
  phase: Wire.nullish(Wire.open("commentary", "final_answer")),
  status: Wire.nullish(Schema.String)
})

/**
 * The model's reasoning. With `store: false` the only copy is `encrypted_content`, which only the server can read.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningItem = Wire.object({
  type: Schema.Literal("reasoning"),
  id: Wire.nullish(Schema.String),
  summary: Schema.Array(Wire.object({ type: Schema.String, text: Schema.String })),
  content: Wire.nullish(Schema.Array(Wire.object({ type: Schema.String, text: Schema.String }))),
  encrypted_content: Wire.nullish(Schema.String)
})

/**
 * A function call by the model. `arguments` is the model's JSON text, which may be empty or invalid.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FunctionCallItem = Wire.object({
  type: Schema.Literal("function_call"),
  id: Wire.nullish(Schema.String),
  call_id: Schema.String,
  name: Schema.String,
  namespace: Wire.nullish(Schema.String),
  arguments: Schema.String,
  status: Wire.nullish(Schema.String)
})

/**
 * The output of a {@link FunctionCallItem} or a {@link LocalShellCallItem}. Errors are reported as text in `output`;
 * the wire format has no error flag (C.4).
 *
 * @since 0.1.0
 * @category schemas
 */
export const FunctionCallOutputItem = Wire.object({
  type: Schema.Literal("function_call_output"),
  id: Wire.nullish(Schema.String),
  call_id: Schema.String,
  name: Wire.nullish(Schema.String),
  namespace: Wire.nullish(Schema.String),
  output: ToolOutput
})

/**
 * A call of a free-form tool by the model; `input` is plain text, not JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CustomToolCallItem = Wire.object({
  type: Schema.Literal("custom_tool_call"),
  id: Wire.nullish(Schema.String),
  call_id: Schema.String,
  name: Schema.String,
  namespace: Wire.nullish(Schema.String),
  input: Schema.String,
  status: Wire.nullish(Schema.String)
})

/**
 * The output of a {@link CustomToolCallItem}.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CustomToolCallOutputItem = Wire.object({
  type: Schema.Literal("custom_tool_call_output"),
  id: Wire.nullish(Schema.String),
  call_id: Schema.String,
  name: Wire.nullish(Schema.String),
  namespace: Wire.nullish(Schema.String),
  output: ToolOutput
})

/**
 * A search for deferred tools; here `arguments` is a JSON object, not text.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolSearchCallItem = Wire.object({
  type: Schema.Literal("tool_search_call"),
  id: Wire.nullish(Schema.String),
  call_id: Wire.nullish(Schema.String),
  execution: Wire.optional(Wire.open("client", "server")),
  arguments: Schema.Unknown,
  status: Wire.nullish(Schema.String)
})

/**
 * The tools found by a tool search.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolSearchOutputItem = Wire.object({
  type: Schema.Literal("tool_search_output"),
  id: Wire.nullish(Schema.String),
  call_id: Wire.nullish(Schema.String),
  execution: Wire.optional(Wire.open("client", "server")),
  status: Wire.nullish(Schema.String),
  tools: Schema.Array(Schema.Unknown)
})

/**
 * A web search run by the server.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WebSearchCallItem = Wire.object({
  type: Schema.Literal("web_search_call"),
  id: Wire.nullish(Schema.String),
  status: Wire.nullish(Schema.String),
  action: Wire.nullish(
    Wire.object({
      type: Wire.open("search", "open_page", "find_in_page"),
      query: Wire.nullish(Schema.String),
      url: Wire.nullish(Schema.String),
      pattern: Wire.nullish(Schema.String)
    })
  )
})

/**
 * An image generated by the server; `result` is base64.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ImageGenerationCallItem = Wire.object({
  type: Schema.Literal("image_generation_call"),
  id: Wire.nullish(Schema.String),
  status: Wire.nullish(Schema.String),
  revised_prompt: Wire.nullish(Schema.String),
  result: Wire.nullish(Schema.String)
})

/**
 * A shell command for the caller to run locally.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LocalShellCallItem = Wire.object({
  type: Schema.Literal("local_shell_call"),
  id: Wire.nullish(Schema.String),
  call_id: Wire.nullish(Schema.String),
  status: Wire.nullish(Schema.String),
  action: Wire.object({
    type: Schema.String,
    command: Schema.Array(Schema.String),
    timeout_ms: Wire.nullish(Schema.Number),
    working_directory: Wire.nullish(Schema.String),
    user: Wire.nullish(Schema.String)
  })
})

/**
 * A compacted history, opaque and bound to the account (protocol I). `compaction_summary` is an older name.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CompactionItem = Wire.object({
  type: Schema.Literal("compaction", "compaction_summary"),
  id: Wire.nullish(Schema.String),
  encrypted_content: Schema.String
})

/**
 * A compaction of the running context.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ContextCompactionItem = Wire.object({
  type: Schema.Literal("context_compaction"),
  id: Wire.nullish(Schema.String),
  encrypted_content: Wire.nullish(Schema.String)
})

/**
 * Requests a compaction; must be the last item of the request (protocol I.2).
 *
 * @since 0.1.0
 * @category schemas
 */
export const CompactionTriggerItem = Wire.object({ type: Schema.Literal("compaction_trigger") })

/**
 * Changes the reasoning effort within a conversation, for models whose catalogue entry allows it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ConfigurationUpdateItem = Wire.object({
  type: Schema.Literal("configuration_update"),
  reasoning: Wire.object({ effort: Schema.String })
})

/**
 * Tools given as an item instead of in the request's `tools` (protocol C.10).
 *
 * @since 0.1.0
 * @category schemas
 */
export const AdditionalToolsItem = Wire.object({
  type: Schema.Literal("additional_tools"),
  id: Wire.nullish(Schema.String),
  role: Wire.optional(Schema.String),
  tools: Schema.Array(Schema.Unknown)
})

/**
 * A message between agents, internal to the server's multi-agent mode and kept for replay.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AgentMessageItem = Wire.object({
  type: Schema.Literal("agent_message"),
  id: Wire.nullish(Schema.String),
  author: Wire.optional(Schema.String),
  recipient: Wire.optional(Schema.String),
  content: Schema.Array(ContentPart)
})

const itemMembers = [
  MessageItem,
  ReasoningItem,
  FunctionCallItem,
  FunctionCallOutputItem,
  CustomToolCallItem,
  CustomToolCallOutputItem,
  ToolSearchCallItem,
  ToolSearchOutputItem,
  WebSearchCallItem,
  ImageGenerationCallItem,
  LocalShellCallItem,
  CompactionItem,
  ContextCompactionItem,
  CompactionTriggerItem,
  ConfigurationUpdateItem,
  AdditionalToolsItem,
  AgentMessageItem
] as const

/**
 * All known item types.
 *
 * @since 0.1.0
 * @category models
 */
export const knownTypes: ReadonlySet<string> = new Set(itemMembers.flatMap((member) => member.fields.type.literals))

/**
 * An item of an unknown type, kept with all its keys.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UnknownItem = Wire.object({ type: typeOtherThan(knownTypes) })

const union = Schema.Union(...itemMembers, UnknownItem)

/**
 * @since 0.1.0
 * @category models
 */
export interface MessageItem extends Schema.Schema.Type<typeof MessageItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ReasoningItem extends Schema.Schema.Type<typeof ReasoningItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface FunctionCallItem extends Schema.Schema.Type<typeof FunctionCallItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface FunctionCallOutputItem extends Schema.Schema.Type<typeof FunctionCallOutputItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface CustomToolCallItem extends Schema.Schema.Type<typeof CustomToolCallItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface CustomToolCallOutputItem extends Schema.Schema.Type<typeof CustomToolCallOutputItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolSearchCallItem extends Schema.Schema.Type<typeof ToolSearchCallItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolSearchOutputItem extends Schema.Schema.Type<typeof ToolSearchOutputItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface WebSearchCallItem extends Schema.Schema.Type<typeof WebSearchCallItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ImageGenerationCallItem extends Schema.Schema.Type<typeof ImageGenerationCallItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface LocalShellCallItem extends Schema.Schema.Type<typeof LocalShellCallItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface CompactionItem extends Schema.Schema.Type<typeof CompactionItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ContextCompactionItem extends Schema.Schema.Type<typeof ContextCompactionItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface CompactionTriggerItem extends Schema.Schema.Type<typeof CompactionTriggerItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigurationUpdateItem extends Schema.Schema.Type<typeof ConfigurationUpdateItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface AdditionalToolsItem extends Schema.Schema.Type<typeof AdditionalToolsItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface AgentMessageItem extends Schema.Schema.Type<typeof AgentMessageItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface UnknownItem extends Schema.Schema.Type<typeof UnknownItem> {}

/**
 * @since 0.1.0
 * @category models
 */
export type Item =
  | MessageItem
  | ReasoningItem
  | FunctionCallItem
  | FunctionCallOutputItem
  | CustomToolCallItem
  | CustomToolCallOutputItem
  | ToolSearchCallItem
  | ToolSearchOutputItem
  | WebSearchCallItem
  | ImageGenerationCallItem
  | LocalShellCallItem
  | CompactionItem
  | ContextCompactionItem
  | CompactionTriggerItem
  | ConfigurationUpdateItem
  | AdditionalToolsItem
  | AgentMessageItem
  | UnknownItem

/**
 * Any item as JSON.
 *
 * @since 0.1.0
 * @category models
 */
export interface Encoded {
  readonly type: string
  readonly [key: string]: unknown
}

/**
 * Any item. Comparing `type` narrows to the member; an item of an unknown type is an {@link UnknownItem}.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Item = union as Schema.Schema<Item, unknown> as Schema.Schema<Item, Encoded>

/**
 * The item's id, if any.
 *
 * @since 0.1.0
 * @category combinators
 */
export const id = (item: Item): string | undefined => {
  const value = (item as { readonly id?: unknown }).id
  return typeof value === "string" ? value : undefined
}
