/**
 * What this provider adds to the parts of a response and to the messages of a prompt, under the key `codex`.
 *
 * @since 0.1.0
 */
import type { History, RateLimits, Repair } from "@effect-codex/schema"

/**
 * A finished turn as the next request needs it. `items` are exactly what was sent and received, with ids and encrypted
 * reasoning, the calls that were answered on the way included; `answers` are results that go out with the next request;
 * `said` is a digest of what the turn said, by which an edited message is found out.
 *
 * @since 0.1.0
 * @category models
 */
export type KeptTurn = {
  readonly items: ReadonlyArray<History.Entry>
  readonly answers: ReadonlyArray<History.Entry>
  readonly said: string
  readonly conversationId: string
}

/**
 * A call of the model that fits no tool of the toolkit, and what the model was told.
 *
 * @since 0.1.0
 * @category models
 */
export type InvalidToolCall = {
  readonly id: string
  readonly name: string
  readonly arguments: string
  readonly answer: string
}

/**
 * The metadata of the `finish` part: everything of a turn that the interface has no place for.
 *
 * - `requests`: how many requests the call took, hidden ones included; `attempts` counts retries as well.
 * - `model`: the model that served, which may differ from the one asked for.
 * - `repairs`: what was changed to make the prompt acceptable.
 * - `invalidToolCalls`: the calls that were answered instead of being carried out.
 * - `turn`: what `CodexPrompt.fromResponseParts` keeps.
 *
 * @since 0.1.0
 * @category models
 */
export type Finish = {
  readonly responseId?: string | undefined
  readonly model?: string | undefined
  readonly requestId?: string | undefined
  readonly serviceTier?: string | undefined
  readonly requests: number
  readonly attempts: number
  readonly cacheWriteTokens: number
  readonly rateLimits?: RateLimits.RateLimits | undefined
  readonly repairs: ReadonlyArray<Repair.Repair>
  readonly incompleteReason?: string | undefined
  readonly refusal?: string | undefined
  readonly invalidToolCalls: ReadonlyArray<InvalidToolCall>
  readonly turn: KeptTurn
}

/**
 * The metadata of a text: which item it belongs to, whether it is commentary or the final answer, and whether it is a
 * refusal.
 *
 * @since 0.1.0
 * @category models
 */
export type Text = {
  readonly itemId?: string | undefined
  readonly phase?: string | undefined
  readonly refusal?: boolean | undefined
}

/**
 * The metadata of a source: the annotation as it came.
 *
 * @since 0.1.0
 * @category models
 */
export type Source = { readonly annotation: Readonly<Record<string, unknown>> }

declare module "@effect/ai/Response" {
  interface TextPartMetadata extends ProviderMetadata {
    readonly codex?: Text | undefined
  }
  interface TextStartPartMetadata extends ProviderMetadata {
    readonly codex?: Text | undefined
  }
  interface TextEndPartMetadata extends ProviderMetadata {
    readonly codex?: Text | undefined
  }
  interface UrlSourcePartMetadata extends ProviderMetadata {
    readonly codex?: Source | undefined
  }
  interface DocumentSourcePartMetadata extends ProviderMetadata {
    readonly codex?: Source | undefined
  }
  interface FinishPartMetadata extends ProviderMetadata {
    readonly codex?: Finish | undefined
  }
}

declare module "@effect/ai/Prompt" {
  interface FilePartOptions extends ProviderOptions {
    readonly codex?: { readonly imageDetail?: "auto" | "low" | "high" | "original" | undefined } | undefined
  }
  interface AssistantMessageOptions extends ProviderOptions {
    readonly codex?: KeptTurn | undefined
  }
}
