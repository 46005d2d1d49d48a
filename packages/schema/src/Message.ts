/**
 * A conversation as an application stores it: messages made of blocks, without wire ids or call/output pairing.
 * `History` compiles messages to the items of a request.
 *
 * Images and documents are made with {@link image}, {@link imageData}, {@link document} and {@link documentData}, which
 * fail with {@link InvalidContent} for content the backend would refuse. A block can also be a literal, `{ _tag:
 * "Image", url }`; it is validated when the request is compiled, or at any time with {@link contentProblem}.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"
import { defined } from "./Defined.ts"
import * as Failure from "./Failure.ts"
import * as Media from "./internal/media.ts"
import * as Wire from "./internal/wire.ts"
import * as Turn from "./Turn.ts"

/**
 * A text block. In an assistant message `phase` distinguishes commentary from the final answer; keep it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Text = Schema.TaggedStruct("Text", {
  text: Schema.String,
  phase: Wire.optional(Wire.open("commentary", "final_answer"))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Text extends Schema.Schema.Type<typeof Text> {}

/**
 * An image: an `https:` URL, or a `data:` URL with its PNG, JPEG, GIF or WebP data in base64.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Image = Schema.TaggedStruct("Image", {
  url: Schema.String,
  detail: Schema.optional(Wire.open("auto", "low", "high", "original"))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Image extends Schema.Schema.Type<typeof Image> {}

/**
 * A document: an `https:` URL, or a `data:` URL with its data in base64.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Document = Schema.TaggedStruct("Document", {
  url: Schema.String,
  filename: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Document extends Schema.Schema.Type<typeof Document> {}

/**
 * The content of user and developer messages and of tool results.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Content = Schema.Union(Text, Image, Document)

/**
 * @since 0.1.0
 * @category models
 */
export type Content = Text | Image | Document

/**
 * The model's reasoning. Only `encryptedContent` can be replayed; a block without it is omitted from the request.
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
 * @since 0.1.0
 * @category models
 */
export interface Reasoning extends Schema.Schema.Type<typeof Reasoning> {}

/**
 * A tool call of the model.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCall = Schema.TaggedStruct("ToolCall", {
  id: Wire.optional(Schema.String),
  call: Turn.ToolCall
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolCall extends Schema.Schema.Type<typeof ToolCall> {}

/**
 * The result of a tool call. The wire format has no error flag: with `isError`, the text sent starts with `Error: `.
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
export interface ToolResult extends Schema.Schema.Type<typeof ToolResult> {}

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
 * @since 0.1.0
 * @category models
 */
export interface Compaction extends Schema.Schema.Type<typeof Compaction> {}

/**
 * The content of assistant messages.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AssistantContent = Schema.Union(Text, Reasoning, ToolCall, Compaction)

/**
 * @since 0.1.0
 * @category models
 */
export type AssistantContent = Text | Reasoning | ToolCall | Compaction

/**
 * Instructions of the application. Leading system messages become the request's `instructions`; later ones are sent as
 * developer messages at their position.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SystemMessage = Schema.Struct({ role: Schema.Literal("system"), content: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export interface SystemMessage extends Schema.Schema.Type<typeof SystemMessage> {}

/**
 * Like a system message, but always sent at its position.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DeveloperMessage = Schema.Struct({ role: Schema.Literal("developer"), content: Schema.Array(Content) })

/**
 * @since 0.1.0
 * @category models
 */
export interface DeveloperMessage extends Schema.Schema.Type<typeof DeveloperMessage> {}

/**
 * A message of the user.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UserMessage = Schema.Struct({ role: Schema.Literal("user"), content: Schema.Array(Content) })

/**
 * @since 0.1.0
 * @category models
 */
export interface UserMessage extends Schema.Schema.Type<typeof UserMessage> {}

/**
 * The model's output, in order.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AssistantMessage = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: Schema.Array(AssistantContent)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface AssistantMessage extends Schema.Schema.Type<typeof AssistantMessage> {}

/**
 * The results of tool calls.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolMessage = Schema.Struct({ role: Schema.Literal("tool"), content: Schema.Array(ToolResult) })

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolMessage extends Schema.Schema.Type<typeof ToolMessage> {}

/**
 * One message of any role.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.Union(SystemMessage, DeveloperMessage, UserMessage, AssistantMessage, ToolMessage)

/**
 * @since 0.1.0
 * @category models
 */
export type Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage

/**
 * An image or document that the backend would refuse; `problem` says why.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidContent extends Failure.Class<InvalidContent>("@effect-codex/schema/InvalidContent")(
  "InvalidContent",
  { kind: Schema.Literal("image", "document"), problem: Schema.String }
) {
  override get message(): string {
    return `The ${this.kind} cannot be sent: ${this.problem}.`
  }
}

const kindOf = { Image: "image", Document: "document" } as const

/**
 * Why the backend would refuse a block, as a sentence; `undefined` if it accepts the block. Images must be `https:`
 * URLs or `data:` URLs with PNG, JPEG, GIF or WebP data. The type is detected from the first bytes; the rest of the
 * data is not decoded. Documents must be `https:` URLs or `data:` URLs of any type.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { Message } from "@effect-codex/schema"
 *
 * Message.contentProblem({ _tag: "Image", url: "file:///tmp/cat.png" })
 * // "The image cannot be sent: the backend cannot read a file: URL; read the file and give its bytes."
 * ```
 */
export const contentProblem = (content: Content): string | undefined => {
  if (content._tag === "Text") return undefined
  const kind = kindOf[content._tag]
  const media = Media.read(kind, content.url)
  return "problem" in media ? new InvalidContent({ kind, problem: media.problem }).message : undefined
}

type Input = string | ReadonlyArray<Content>

const contents = (content: Input): ReadonlyArray<Content> => (typeof content === "string" ? [text(content)] : content)

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
export const developer = (content: Input): Message => ({ role: "developer", content: contents(content) })

/**
 * A user message.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Message } from "@effect-codex/schema"
 * import { Effect } from "effect"
 *
 * Message.user("What is 6 times 7?")
 *
 * Effect.map(Message.image("https://example.org/cat.png"), (cat) =>
 *   Message.user([Message.text("What is this?"), cat])
 * )
 * ```
 */
export const user = (content: Input): Message => ({ role: "user", content: contents(content) })

/**
 * An assistant message, for histories built by hand. To continue from a turn, send its `items` instead: they preserve
 * everything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const assistant = (content: string | ReadonlyArray<AssistantContent>): Message => ({
  role: "assistant",
  content: typeof content === "string" ? [text(content)] : content
})

/**
 * The result of one tool call, given by the call or its id. Text is sent unchanged, not as a JSON string.
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
  output: Input,
  options: { readonly isError?: boolean } = {}
): Message => ({
  role: "tool",
  content: [
    {
      _tag: "ToolResult",
      callId: typeof call === "string" ? call : call.callId,
      output,
      ...(options.isError === true && { isError: true })
    }
  ]
})

/**
 * A text block.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (text: string): Text => ({ _tag: "Text", text })

const checked = (kind: "image" | "document", url: string): Effect.Effect<string, InvalidContent> =>
  Effect.suspend(() => {
    const media = Media.read(kind, url)
    return "url" in media ? Effect.succeed(media.url) : Effect.fail(new InvalidContent({ kind, ...media }))
  })

/** A `data:` URL is used unchanged. */
const dataUrl = (data: Uint8Array | string, mediaType: string): string =>
  typeof data === "string" && /^\s*data:/i.test(data)
    ? data
    : `data:${mediaType};base64,${typeof data === "string" ? data : Encoding.encodeBase64(data)}`

/**
 * An image block from an `https:` or `data:` URL. Fails if the backend would refuse it: `file:` URLs, media types other
 * than PNG, JPEG, GIF and WebP, data that is empty, not base64 or not an image.
 *
 * @since 0.1.0
 * @category constructors
 */
export const image = (url: string, detail?: Image["detail"]): Effect.Effect<Image, InvalidContent> =>
  Effect.map(checked("image", url), (url) => ({ _tag: "Image", url, ...defined({ detail }) }))

/**
 * An image block from bytes, or from text in base64 or base64url, with or without line breaks. Fails like {@link
 * image}. If the data is an image of a type other than `mediaType`, the real type is sent.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Message } from "@effect-codex/schema"
 * import { Effect } from "effect"
 *
 * const question = (png: Uint8Array) =>
 *   Effect.map(Message.imageData(png, "image/png"), (image) =>
 *     Message.user([Message.text("What is this?"), image])
 *   )
 * ```
 */
export const imageData = (
  data: Uint8Array | string,
  mediaType: string,
  detail?: Image["detail"]
): Effect.Effect<Image, InvalidContent> => Effect.suspend(() => image(dataUrl(data, mediaType), detail))

/**
 * A document block from an `https:` or `data:` URL. Fails for other URLs and for data that is empty or not base64.
 *
 * @since 0.1.0
 * @category constructors
 */
export const document = (url: string, filename?: string): Effect.Effect<Document, InvalidContent> =>
  Effect.map(checked("document", url), (url) => ({ _tag: "Document", url, ...defined({ filename }) }))

/**
 * A document block from bytes, or from text in base64 or base64url. Fails like {@link document}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const documentData = (
  data: Uint8Array | string,
  mediaType: string,
  filename?: string
): Effect.Effect<Document, InvalidContent> => Effect.suspend(() => document(dataUrl(data, mediaType), filename))

/**
 * A tool call block, from a turn's `toolCalls`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toolCall = (call: Turn.ToolCall): ToolCall => ({ _tag: "ToolCall", call })
