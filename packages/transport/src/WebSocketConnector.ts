/**
 * Where WebSockets come from (protocol H). The `/node` entry has one over undici; without a Layer for it there are none,
 * and `transport: "websocket"` is refused.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * A handshake. Header names are in lower case; the headers hold credentials.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /** `http:` or `https:`, as for a request. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Gets what comes back. First `onOpen`, or `onRefused` when the handshake was answered with another status than 101, or
 * `onClose` when nothing came of it. Then text messages, and `onClose` once. After `close` there are no calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Receiver {
  readonly onOpen: (headers: Readonly<Record<string, string | undefined>>, setCookies: ReadonlyArray<string>) => void
  readonly onRefused: (
    status: number,
    headers: Readonly<Record<string, string | undefined>>,
    setCookies: ReadonlyArray<string>,
    body: string
  ) => void
  readonly onMessage: (text: string) => void
  /** A message that is not text, which the protocol does not know. */
  readonly onBinary: () => void
  /** `code` is that of the closing frame, 1006 without one; `cause` the client's own error, of which only codes are read. */
  readonly onClose: (code: number, cause?: unknown) => void
}

/**
 * One socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Socket {
  readonly send: (text: string) => void
  readonly close: () => void
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Begins a handshake. The implementation answers pings. No calls come before it returns. */
  readonly connect: ((request: Request, receiver: Receiver) => Socket) | undefined
  /** How many sockets a client may have at once; further turns wait for one. Default 128. */
  readonly maxSockets?: number | undefined
}

/**
 * The way to open WebSockets.
 *
 * @since 0.1.0
 * @category tags
 */
export class WebSocketConnector extends Context.Reference<WebSocketConnector>()(
  "@effect-codex/transport/WebSocketConnector",
  { defaultValue: (): Service => ({ connect: undefined }) }
) {}
