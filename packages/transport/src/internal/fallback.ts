/** Decides when turns in mode `auto` use server-sent events without trying a WebSocket (protocol H.5). */
import type { Route } from "@effect-codex/schema/Turn"

/** Why a turn uses server-sent events although a WebSocket was preferred. */
export type Fallback = NonNullable<Route["fallback"]>

/** The number of consecutive socket failures after which a conversation stays with SSE. */
const maxFailures = 3

/** The maximum number of tracked conversations. */
const maxRemembered = 1024

export class Fallbacks {
  #notAllowed = false
  /**
   * Consecutive sockets of a conversation that could not be opened or broke during a turn. A response resets the count.
   */
  readonly #failures = new Map<string, { readonly count: number; readonly last: Fallback }>()

  /** Why no WebSocket is tried for this conversation; `undefined` if one is. */
  reasonFor(conversation: string): Fallback | undefined {
    if (this.#notAllowed) return "not_allowed"
    const failed = this.#failures.get(conversation)
    return failed !== undefined && failed.count >= maxFailures ? failed.last : undefined
  }

  /** The server does not accept WebSockets (426) for any conversation. */
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
