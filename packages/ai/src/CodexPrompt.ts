/**
 * Lossless prompts from responses.
 *
 * @since 0.1.0
 */
import * as Prompt from "@effect/ai/Prompt"
import type * as Response from "@effect/ai/Response"
import * as Encoding from "effect/Encoding"

type Metadata = Response.ProviderMetadata

/** A text or reasoning received in deltas. */
interface Pieces {
  text: string
  metadata: Metadata
}

/** Merges the metadata of several parts of one text, by provider. */
const merged = (first: Metadata, second: Metadata): Metadata => {
  const all: Record<string, Metadata[string]> = { ...first }
  for (const [provider, value] of Object.entries(second)) all[provider] = { ...all[provider], ...value }
  return all
}

/**
 * Converts a response to messages for the next prompt. Like `Prompt.fromResponseParts`, but it keeps each part's
 * metadata in its `options`, and the exact items of the turn in the options of the assistant message.
 *
 * Such a prompt is lossless in another process too, because it survives encoding with the `Schema` of `Prompt`. Within
 * the process of the same Layer, messages from `Prompt.fromResponseParts`, and so any `Chat`, are lossless as well.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { LanguageModel, Prompt } from "@effect/ai"
 * import { CodexPrompt } from "@effect-codex/ai"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const asked = Prompt.make("What is a monad?")
 *   const response = yield* LanguageModel.generateText({ prompt: asked })
 *   const history = Prompt.merge(asked, CodexPrompt.fromResponseParts(response.content))
 *   return yield* LanguageModel.generateText({ prompt: Prompt.merge(history, "And a comonad?") })
 * })
 * ```
 */
export const fromResponseParts = (parts: ReadonlyArray<Response.AnyPart>): Prompt.Prompt => {
  const assistant: Array<Prompt.AssistantMessagePart> = []
  const results: Array<Prompt.ToolMessagePart> = []
  const pieces = new Map<string, Pieces>()
  let options: Prompt.AssistantMessageOptions = {}

  for (const part of parts) {
    switch (part.type) {
      case "text":
      case "reasoning":
        assistant.push(Prompt.makePart(part.type, { text: part.text, options: part.metadata }))
        break
      case "text-start":
      case "reasoning-start":
        pieces.set(part.id, { text: "", metadata: part.metadata })
        break
      case "text-delta":
      case "reasoning-delta": {
        const piece = pieces.get(part.id)
        if (piece === undefined) break
        piece.text += part.delta
        piece.metadata = merged(piece.metadata, part.metadata)
        break
      }
      case "text-end":
      case "reasoning-end": {
        const piece = pieces.get(part.id)
        if (piece === undefined) break
        pieces.delete(part.id)
        assistant.push(
          Prompt.makePart(part.type === "text-end" ? "text" : "reasoning", {
            text: piece.text,
            options: merged(piece.metadata, part.metadata)
          })
        )
        break
      }
      case "file":
        // bytes cannot be encoded as JSON
        assistant.push(
          Prompt.makePart("file", {
            mediaType: part.mediaType,
            data: `data:${part.mediaType};base64,${Encoding.encodeBase64(part.data)}`,
            options: {}
          })
        )
        break
      case "tool-call":
        assistant.push(
          Prompt.makePart("tool-call", {
            id: part.id,
            name: part.providerName ?? part.name,
            params: part.params,
            providerExecuted: part.providerExecuted,
            options: part.metadata
          })
        )
        break
      case "tool-result": {
        const result = Prompt.makePart("tool-result", {
          id: part.id,
          name: part.providerName ?? part.name,
          isFailure: part.isFailure,
          result: part.encodedResult,
          providerExecuted: part.providerExecuted,
          options: part.metadata
        })
        if (part.providerExecuted) assistant.push(result)
        else results.push(result)
        break
      }
      case "finish": {
        const { codex, ...others } = part.metadata
        options = { ...others, ...(codex !== undefined && { codex: codex.turn }) }
        break
      }
      default:
        break
    }
  }
  const messages: Array<Prompt.Message> = []
  if (assistant.length > 0 || options.codex !== undefined) {
    messages.push(Prompt.makeMessage("assistant", { content: assistant, options }))
  }
  if (results.length > 0) messages.push(Prompt.makeMessage("tool", { content: results }))
  return Prompt.fromMessages(messages)
}
