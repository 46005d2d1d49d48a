/**
 * The sticky routing token of a turn (`x-codex-turn-state`, protocol B.5).
 *
 * The server may send one with the first response of a turn. All later requests of the turn send it back, so that they
 * reach the same backend. A token belongs to one turn and is never used in the next one.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"

/**
 * The token, which is a secret.
 *
 * @since 0.1.0
 * @category models
 */
export type RoutingToken = Redacted.Redacted<string>

/**
 * The name of the request and response header.
 *
 * @since 0.1.0
 * @category configuration
 */
export const header = "x-codex-turn-state"

/** Longer tokens are ignored: they would not fit into a request. */
const maxLength = 8192

const fits = (text: string): boolean => text.length <= maxLength && /^[\x21-\x7e]+$/.test(text)

/**
 * The token in a set of headers, if there is one that a request can send back. Header names must be in lower case.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromHeaders = (headers: Readonly<Record<string, string | undefined>>): RoutingToken | undefined => {
  const text = headers[header]
  return text !== undefined && fits(text) ? Redacted.make(text) : undefined
}

/**
 * The header value to send, or `undefined` if it is not a valid header value.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toHeader = (token: RoutingToken): string | undefined => {
  const text = Redacted.value(token)
  return fits(text) ? text : undefined
}

/**
 * The token to use if several were received: the first one, over all attempts and requests of a turn. Pass them in
 * order of arrival; the headers of a response come before its events.
 *
 * @since 0.1.0
 * @category combinators
 */
export const first = (...tokens: ReadonlyArray<RoutingToken | undefined>): RoutingToken | undefined =>
  tokens.find((token) => token !== undefined)
