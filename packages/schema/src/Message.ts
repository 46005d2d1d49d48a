/**
 * A conversation as an application keeps it: messages of blocks, without the wire's ids and pairs to mind. `History`
 * turns messages into the items of a request.
 *
 * @since 0.1.0
 */
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"
import * as Turn from "./Turn.ts"

/**
 * A piece of text. In an assistant message `phase` tells commentary from the final answer; keep it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Text = Schema.TaggedStruct("Text", {
  text: Schema.String,
  phase: Wire.optional(Wire.open("commentary", "final_answer"))
})

/**
 * An image: an `https:` URL, or a `data:` URL that holds it (see {@link imageData}).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Image = Schema.TaggedStruct("Image", {
  url: Schema.String,
  detail: Wire.optional(Wire.open("auto", "low", "high", "original"))
})

/**
 * A document: an `https:` URL, or a `data:` URL that holds it (see {@link documentData}).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Document = Schema.TaggedStruct("Document", {
  url: Schema.String,
  filename: Wire.optional(Schema.String)
})

/**
 * What a person, or a tool, can show the model.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Content = Schema.Union(Text, Image, Document)

/**
 * @since 0.1.0
 * @category models
 */
export type Content = typeof Content.Type

/**
 * What the model thought. Only `encryptedContent` takes it to the next request; a block without it is left out.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Reasoning = Schema.TaggedStruct("Reasoning", {
  id: Wire.optional(Schema.String),
  summary: Schema.Array(Schema.String),
  encryptedContent: Wire.optional(Schema.String)
})

/**
 * A call the model made.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCall = Schema.TaggedStruct("ToolCall", {
  id: Wire.optional(Schema.String),
  call: Turn.ToolCall
})

/**
 * What a tool gave back. The wire has no error flag: with `isError` the text sent begins with `Error: `.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolResult = Schema.TaggedStruct("ToolResult", {
  callId: Schema.String,
  output: Schema.Union(Schema.String, Schema.Array(Content)),
  isError: Wire.optional(Schema.Boolean)
})

/**
 * @since 0.1.0
 * @category models
 */
export type ToolResult = typeof ToolResult.Type

/**
 * An earlier part of the conversation, compacted by the server and opaque (protocol I).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Compaction = Schema.TaggedStruct("Compaction", {
  id: Wire.optional(Schema.String),
  encryptedContent: Schema.String
})

/**
 * What the model puts out.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AssistantContent = Schema.Union(Text, Reasoning, ToolCall, Compaction)

/**
 * @since 0.1.0
 * @category models
 */
export type AssistantContent = typeof AssistantContent.Type

/**
 * What the application tells the model. At the head of a conversation these are the request's `instructions`; later
 * they are sent as developer messages, in their place.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SystemMessage = Schema.Struct({ role: Schema.Literal("system"), content: Schema.String })

/**
 * Like a system message, but always sent in its place.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DeveloperMessage = Schema.Struct({ role: Schema.Literal("developer"), content: Schema.Array(Content) })

/**
 * What a person says and shows.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UserMessage = Schema.Struct({ role: Schema.Literal("user"), content: Schema.Array(Content) })

/**
 * What the model said, thought and called, in the order it did.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AssistantMessage = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: Schema.Array(AssistantContent)
})

/**
 * The results of tool calls.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolMessage = Schema.Struct({ role: Schema.Literal("tool"), content: Schema.Array(ToolResult) })

/**
 * One message; `role` tells which.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.Union(SystemMessage, DeveloperMessage, UserMessage, AssistantMessage, ToolMessage)

/**
 * @since 0.1.0
 * @category models
 */
export type Message = typeof Message.Type

type Said = string | ReadonlyArray<Content>

const contents = (content: Said): ReadonlyArray<Content> => (typeof content === "string" ? [text(content)] : content)

/**
 * A system message.
 *
 * @since 0.1.0
 * @category constructors
 */
export const system = (content: string): Message => ({ role: "system", content })

/**
 * A developer message.
 *
 * @since 0.1.0
 * @category constructors
 */
export const developer = (content: Said): Message => ({ role: "developer", content: contents(content) })

/**
 * A user message.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Message } from "@effect-codex/schema"
 *
 * Message.user("What is 6 times 7?")
 * Message.user([Message.text("What is this?"), Message.image("https://example.org/cat.png")])
 * ```
 */
export const user = (content: Said): Message => ({ role: "user", content: contents(content) })

/**
 * An assistant message, for histories made by hand. To go on from a turn, send its `items` instead: they are exact.
 *
 * @since 0.1.0
 * @category constructors
 */
export const assistant = (content: string | ReadonlyArray<AssistantContent>): Message => ({
  role: "assistant",
  content: typeof content === "string" ? [text(content)] : content
})

/**
 * The result of one tool call, named by the call or by its id. Text is sent as it is, not as a JSON string.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Message } from "@effect-codex/schema"
 *
 * Message.toolResult("call_1", "12 °C, rain")
 * Message.toolResult("call_2", "no such city", { isError: true })
 * ```
 */
export const toolResult = (
  call: Turn.ToolCall | string,
  output: Said,
  options: { readonly isError?: boolean } = {}
): Message => ({
  role: "tool",
  content: [
    {
      _tag: "ToolResult",
      callId: typeof call === "string" ? call : call.callId,
      output,
      ...(options.isError === true ? { isError: true } : {})
    }
  ]
})

/**
 * A text block.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (text: string): typeof Text.Type => ({ _tag: "Text", text })

/**
 * An image block from a URL.
 *
 * @since 0.1.0
 * @category constructors
 */
export const image = (url: string, detail?: (typeof Image.Type)["detail"]): typeof Image.Type => ({
  _tag: "Image",
  url,
  ...(detail === undefined ? {} : { detail })
})

const dataUrl = (data: Uint8Array | string, mediaType: string): string =>
  `data:${mediaType};base64,${typeof data === "string" ? data : Encoding.encodeBase64(data)}`

/**
 * An image block from bytes, or from text that is base64 already.
 *
 * @since 0.1.0
 * @category constructors
 */
export const imageData = (
  data: Uint8Array | string,
  mediaType: string,
  detail?: (typeof Image.Type)["detail"]
): typeof Image.Type => image(dataUrl(data, mediaType), detail)

/**
 * A document block from a URL.
 *
 * @since 0.1.0
 * @category constructors
 */
export const document = (url: string, filename?: string): typeof Document.Type => ({
  _tag: "Document",
  url,
  ...(filename === undefined ? {} : { filename })
})

/**
 * A document block from bytes, or from text that is base64 already.
 *
 * @since 0.1.0
 * @category constructors
 */
export const documentData = (data: Uint8Array | string, mediaType: string, filename?: string): typeof Document.Type =>
  document(dataUrl(data, mediaType), filename)

/**
 * A tool call block, as a turn's `toolCalls` name it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toolCall = (call: Turn.ToolCall): typeof ToolCall.Type => ({ _tag: "ToolCall", call })
