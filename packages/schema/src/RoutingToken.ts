/**
 * The sticky routing token of a turn (`x-codex-turn-state`, protocol B.5).
 *
 * The server may send one with the first response of a turn. Every further request of the same turn sends it back, so
 * that the requests reach the same backend. A token belongs to one turn and is never carried into the next one.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"

/**
 * The token's text is a secret.
 *
 * @since 0.1.0
 * @category models
 */
export type RoutingToken = Redacted.Redacted<string>

/**
 * The header that carries the token, in requests and responses.
 *
 * @since 0.1.0
 * @category configuration
 */
export const header = "x-codex-turn-state"

/** A longer token is ignored: it would not fit into a request. */
const maxLength = 8192

const fits = (text: string): boolean => text.length <= maxLength && /^[\x21-\x7e]+$/.test(text)

/**
 * The token in a set of headers, if there is one that a request can send back. Header names are in lower case.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromHeaders = (headers: Readonly<Record<string, string | undefined>>): RoutingToken | undefined => {
  const text = headers[header]
  return text !== undefined && fits(text) ? Redacted.make(text) : undefined
}

/**
 * The text to send, unless a header cannot carry it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toHeader = (token: RoutingToken): string | undefined => {
  const text = Redacted.value(token)
  return fits(text) ? text : undefined
}

/**
 * The token that holds when several were received: the first one, over all attempts and requests of a turn. Give them in
 * the order they arrived; the headers of a response come before its events.
 *
 * @since 0.1.0
 * @category combinators
 */
export const first = (...tokens: ReadonlyArray<RoutingToken | undefined>): RoutingToken | undefined =>
  tokens.find((token) => token !== undefined)
