/** WebSockets over undici, using the same dispatcher as requests, with its proxies, certificates and limits. */
import type { Duplex } from "node:stream"
import * as Undici from "@effect/platform-node/Undici"
import type { Receiver, Service } from "../WebSocketConnector.ts"

type Head = Readonly<Record<string, string>>

/** The handshake response, which undici's `WebSocket` does not expose. */
interface Answer {
  readonly status: number
  readonly headers: Head
  readonly cookies: ReadonlyArray<string>
}

/** The maximum number of bytes read of an error response. */
const bodyLimit = 65_536

/** undici's message limits; the decoder applies the limit of a response. */
const webSocketOptions = { maxFragments: 131_072, maxPayloadSize: 134_217_728 }

type Raw = ReadonlyArray<Buffer | string | ReadonlyArray<Buffer | string>>

/** The handler of undici's `fetch`, which `WebSocket` uses: the old handler interface, and the new one for upgrades. */
interface Handler {
  abort: ((error: Error) => void) | null
  readonly onHeaders: (status: number, raw: Raw, ...rest: ReadonlyArray<unknown>) => unknown
  readonly onData: (chunk: Buffer) => unknown
  readonly onComplete: (...rest: ReadonlyArray<unknown>) => unknown
  readonly onError: (error: unknown) => unknown
  readonly onUpgrade: (status: number, raw: Raw, socket: Duplex) => unknown
  readonly onRequestUpgrade: (
    controller: unknown,
    status: number,
    headers: Readonly<Record<string, string | Array<string> | undefined>>,
    socket: Duplex
  ) => unknown
}

const answerOf = (
  status: number,
  pairs: Iterable<readonly [name: string, value: string | ReadonlyArray<string> | undefined]>
): Answer => {
  const all = Array.from(pairs, ([name, value = ""]) => [name.toLowerCase(), value] as const)
  return {
    status,
    headers: Object.fromEntries(all.flatMap(([name, value]) => (name === "set-cookie" ? [] : [[name, String(value)]]))),
    cookies: all.flatMap(([name, value]) => (name === "set-cookie" ? value : []))
  }
}

function* pairsOf(raw: Raw): Generator<readonly [string, string | ReadonlyArray<string>]> {
  for (let n = 0; n + 1 < raw.length; n += 2) {
    const value = raw[n + 1]
    yield [String(raw[n]), Array.isArray(value) ? value.map(String) : String(value)]
  }
}

/** Forwards handshakes and reports their responses. */
class Watching extends Undici.Dispatcher {
  readonly webSocketOptions = webSocketOptions

  constructor(
    private readonly dispatcher: Undici.Dispatcher,
    private readonly watch: {
      readonly onUpgrade: (answer: Answer, socket: Duplex) => void
      readonly onRefused: (answer: Answer, body: string) => void
      readonly onError: (cause: unknown) => void
    }
  ) {
    super()
  }

  override dispatch(options: Undici.Dispatcher.DispatchOptions, handler: Undici.Dispatcher.DispatchHandler): boolean {
    const inner = handler as unknown as Handler
    const { watch } = this
    const body: Array<Buffer> = []
    let refusal: Answer | undefined
    let size = 0
    /** undici gets an error instead of the response, because it would repeat the handshake after a 401. */
    const refuse = (self: Handler, then: (error: Error) => void) => {
      if (refusal !== undefined) watch.onRefused(refusal, Buffer.concat(body).toString("utf8"))
      refusal = undefined
      then.call(self, new Error("The handshake was refused."))
    }
    // undici keeps state on the handler, so it is extended instead of wrapped
    const watching = Object.assign(Object.create(inner) as Handler, {
      onHeaders(this: Handler, status: number, raw: Raw, ...rest: ReadonlyArray<unknown>) {
        if (status < 200) return inner.onHeaders.call(this, status, raw, ...rest)
        refusal = answerOf(status, pairsOf(raw))
        return true
      },
      onData(this: Handler, chunk: Buffer) {
        body.push(chunk.subarray(0, bodyLimit - size))
        size += chunk.length
        if (size >= bodyLimit) refuse(this, (error) => this.abort?.(error))
        return true
      },
      onComplete(this: Handler) {
        refuse(this, inner.onError)
      },
      onError(this: Handler, error: unknown) {
        if (refusal !== undefined) return refuse(this, inner.onError)
        watch.onError(error)
        return inner.onError.call(this, error)
      },
      onUpgrade(this: Handler, status: number, raw: Raw, socket: Duplex) {
        watch.onUpgrade(answerOf(status, pairsOf(raw)), socket)
        return inner.onUpgrade.call(this, status, raw, socket)
      },
      onRequestUpgrade(
        this: Handler,
        controller: unknown,
        status: number,
        headers: Readonly<Record<string, string | Array<string> | undefined>>,
        socket: Duplex
      ) {
        watch.onUpgrade(answerOf(status, Object.entries(headers)), socket)
        return inner.onRequestUpgrade.call(this, controller, status, headers, socket)
      }
    } satisfies Partial<Handler>)
    return this.dispatcher.dispatch(options, watching as unknown as Undici.Dispatcher.DispatchHandler)
  }
}

export interface Connector extends Service {
  /** Destroys all remaining connections. */
  readonly destroy: () => void
}

export const make = (dispatcher: Undici.Dispatcher, maxSockets?: number): Connector => {
  const connections = new Set<Duplex>()
  const connect: Service["connect"] = ({ headers, url }, receiver: Receiver) => {
    let answer: Answer | undefined
    let connection: Duplex | undefined
    let cause: unknown
    let over = false
    const finish = (call: () => void) => {
      if (over) return
      over = true
      call()
    }
    const watching = new Watching(dispatcher, {
      onUpgrade: (given, socket) => {
        answer = given
        connection = socket
        connections.add(socket)
        socket.once("close", () => connections.delete(socket))
        // closed during the handshake
        if (over) socket.destroy()
      },
      onRefused: ({ cookies, headers, status }, body) =>
        finish(() => receiver.onRefused(status, headers, cookies, body)),
      onError: (error) => {
        cause ??= error
      }
    })
    const socket = new Undici.WebSocket(url.replace(/^http/, "ws"), { headers: { ...headers }, dispatcher: watching })
    let opened = false
    socket.addEventListener("open", () => {
      opened = true
      if (!over) receiver.onOpen(answer?.headers ?? {}, answer?.cookies ?? [])
    })
    socket.addEventListener("message", ({ data }: { readonly data: unknown }) => {
      if (over) return
      if (typeof data === "string") receiver.onMessage(data)
      else receiver.onBinary()
    })
    socket.addEventListener("close", ({ code }: { readonly code: number }) => {
      finish(() => receiver.onClose(code, opened ? undefined : (cause ?? { code: "ECONNRESET" })))
    })
    return {
      send: (text) => socket.send(text),
      close: () => {
        over = true
        const wasIdle = connection?.writableLength === 0
        socket.close()
        // a server may not answer the close frame or read pending data
        if (wasIdle) connection?.end(() => connection?.destroy())
        else connection?.destroy()
      }
    }
  }
  return {
    connect,
    maxSockets,
    destroy: () => {
      for (const connection of connections) connection.destroy()
    }
  }
}
