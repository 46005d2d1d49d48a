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
 * Receives socket events. First `onOpen`, or `onRefused` if the handshake's status is not 101, or `onClose` if the
 * connection failed. Then text messages, and `onClose` once. After `close` there are no calls.
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
  /** A binary message, which the protocol does not use. */
  readonly onBinary: () => void
  /**
   * `code` is that of the close frame, 1006 without one; `cause` is the client's error, of which only codes are used.
   */
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
  /** Starts a handshake. The implementation answers pings. The receiver is not called before this returns. */
  readonly connect: ((request: Request, receiver: Receiver) => Socket) | undefined
  /** The maximum number of sockets per client; further turns wait. Default 128. */
  readonly maxSockets?: number | undefined
}

/**
 * Opens WebSockets.
 *
 * @since 0.1.0
 * @category tags
 */
export class WebSocketConnector extends Context.Reference<WebSocketConnector>()(
  "@effect-codex/transport/WebSocketConnector",
  { defaultValue: (): Service => ({ connect: undefined }) }
) {}
