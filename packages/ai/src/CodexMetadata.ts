/**
 * Provider metadata of response parts and prompt messages, under the key `codex`.
 *
 * @since 0.1.0
 */
import type { History, RateLimits, Repair } from "@effect-codex/schema"

/**
 * A finished turn, kept for the next request. `items` are the exact items sent and received, including ids, encrypted
 * reasoning and calls answered in hidden requests; `answers` are tool results to send with the next request; `said` is
 * a digest of the turn's text and calls, used to detect edited messages; `refused` has digests of earlier encrypted
 * reasoning that the server refused in this turn, so that later requests omit it.
 *
 * @since 0.1.0
 * @category models
 */
export type KeptTurn = {
  readonly items: ReadonlyArray<History.Entry>
  readonly answers: ReadonlyArray<History.Entry>
  readonly said: string
  readonly conversationId: string
  readonly refused?: ReadonlyArray<string>
}

/**
 * A tool call that matches no tool of the toolkit, and the error sent to the model.
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
 * The metadata of the `finish` part: everything of a turn that `@effect/ai` has no field for.
 *
 * - `requests`: the number of requests of the call, including hidden ones; `attempts` also counts retries.
 * - `model`: the model that served the turn, which may differ from the requested one.
 * - `repairs`: the changes made so that the backend accepts the prompt.
 * - `invalidToolCalls`: the calls that were answered with an error instead of being executed.
 * - `turn`: the data for `CodexPrompt.fromResponseParts`.
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
 * The metadata of a text: its item id, whether it is commentary or the final answer, and whether it is a refusal.
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
 * The metadata of a source: the original annotation.
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
