/** When turns in mode `auto` go by server-sent events without a WebSocket being tried (protocol H.5). */
import type { Route } from "@effect-codex/schema/Turn"

/** Why a turn goes by server-sent events although a WebSocket was wanted. */
export type Fallback = NonNullable<Route["fallback"]>

/** Sockets that fail one after the other before a conversation stays with SSE. */
const maxFailures = 3

/** Conversations with failures that are remembered. */
const maxRemembered = 1024

export class Fallbacks {
  #notAllowed = false
  /** Sockets of a conversation that could not be opened or broke within a turn, until one answers. */
  readonly #failures = new Map<string, { readonly count: number; readonly last: Fallback }>()

  /** Why none is tried for this conversation, if so. */
  reasonFor(conversation: string): Fallback | undefined {
    if (this.#notAllowed) return "not_allowed"
    const failed = this.#failures.get(conversation)
    return failed !== undefined && failed.count >= maxFailures ? failed.last : undefined
  }

  /** The server takes no WebSockets (426), whoever asks. */
  notAllowed(): void {
    this.#notAllowed = true
  }

  failed(conversation: string, last: Fallback): void {
    const count = (this.#failures.get(conversation)?.count ?? 0) + 1
    // a map keeps the order of insertion: the first key is the one that failed longest ago
    this.#failures.delete(conversation)
    this.#failures.set(conversation, { count, last })
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > maxRemembered && oldest !== undefined) this.#failures.delete(oldest)
  }

  answered(conversation: string): void {
    this.#failures.delete(conversation)
  }
}
