/** When turns in mode `auto` go by server-sent events without a WebSocket being tried (protocol H.5). */
import type { Route } from "@effect-codex/schema/Turn"

/** Why a turn goes by server-sent events although a WebSocket was wanted. */
export type Fallback = NonNullable<Route["fallback"]>

/** Dials that fail before a conversation stays with SSE. */
const maxFailedDials = 3

/** Conversations with failed dials that are remembered. */
const maxRemembered = 1024

export class Fallbacks {
  #notAllowed = false
  /** Dials of a conversation that failed, until one succeeds. */
  readonly #failedDials = new Map<string, number>()

  /** Why none is tried for this conversation, if so. */
  reasonFor(conversation: string): Fallback | undefined {
    if (this.#notAllowed) return "not_allowed"
    return (this.#failedDials.get(conversation) ?? 0) >= maxFailedDials ? "dial_failed" : undefined
  }

  /** The server takes no WebSockets (426), whoever asks. */
  notAllowed(): void {
    this.#notAllowed = true
  }

  dialFailed(conversation: string): void {
    if (this.#failedDials.size >= maxRemembered) this.#failedDials.clear()
    this.#failedDials.set(conversation, (this.#failedDials.get(conversation) ?? 0) + 1)
  }

  dialSucceeded(conversation: string): void {
    this.#failedDials.delete(conversation)
  }
}
