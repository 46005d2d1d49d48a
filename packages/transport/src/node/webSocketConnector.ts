/** WebSockets over undici, through the same dispatcher as requests: its proxies, certificates and limits. */
import * as Undici from "@effect/platform-node/Undici"
import type { Receiver, Service } from "../WebSocketConnector.ts"

type Head = Readonly<Record<string, string>>

/** The answer to a handshake, which undici's `WebSocket` does not tell. */
interface Answer {
  status: number
  headers: Head
  cookies: ReadonlyArray<string>
  body: Array<Buffer>
}

/** How much of a refusal is read, in bytes. */
const bodyLimit = 65_536

/** The calls of undici's `fetch`, which `WebSocket` is built on: the old form of a handler, and the new for upgrades. */
interface Handler {
  readonly onHeaders: (status: number, raw: ReadonlyArray<Buffer>, ...rest: ReadonlyArray<unknown>) => unknown
  readonly onData: (chunk: Buffer) => unknown
  readonly onComplete: (...rest: ReadonlyArray<unknown>) => unknown
  readonly onError: (error: unknown) => unknown
  readonly onRequestUpgrade: (
    controller: unknown,
    status: number,
    headers: Readonly<Record<string, string | Array<string> | undefined>>,
    socket: unknown
  ) => unknown
}

/** Hands requests on, and looks at what comes back. */
class Watching extends Undici.Dispatcher {
  constructor(
    private readonly dispatcher: Undici.Dispatcher,
    private readonly watch: {
      readonly onAnswer: (answer: Answer) => void
      readonly onRefusalOver: () => void
      readonly onError: (cause: unknown) => void
    }
  ) {
    super()
  }

  override dispatch(options: Undici.Dispatcher.DispatchOptions, handler: Undici.Dispatcher.DispatchHandler): boolean {
    const inner = handler as unknown as Handler
    const { watch } = this
    let answer: Answer | undefined
    let size = 0
    // undici keeps state on the handler, so it is extended and not wrapped
    const watching: Handler = Object.assign(Object.create(inner) as Handler, {
      onHeaders(this: Handler, status: number, raw: ReadonlyArray<Buffer>, ...rest: ReadonlyArray<unknown>) {
        if (status >= 200) {
          const pairs: Array<[string, string]> = []
          for (let n = 0; n + 1 < raw.length; n += 2) {
            pairs.push([String(raw[n]).toLowerCase(), String(raw[n + 1])])
          }
          answer = {
            status,
            headers: Object.fromEntries(pairs.filter(([name]) => name !== "set-cookie")),
            cookies: pairs.flatMap(([name, value]) => (name === "set-cookie" ? [value] : [])),
            body: []
          }
          watch.onAnswer(answer)
        }
        return inner.onHeaders.call(this, status, raw, ...rest)
      },
      onData(this: Handler, chunk: Buffer) {
        if (size < bodyLimit) answer?.body.push(chunk.subarray(0, bodyLimit - size))
        size += chunk.length
        if (size >= bodyLimit) watch.onRefusalOver()
        return inner.onData.call(this, chunk)
      },
      onComplete(this: Handler, ...rest: ReadonlyArray<unknown>) {
        watch.onRefusalOver()
        return inner.onComplete.apply(this, [...rest])
      },
      onError(this: Handler, error: unknown) {
        watch.onError(error)
        return inner.onError.call(this, error)
      },
      onRequestUpgrade(
        this: Handler,
        controller: unknown,
        status: number,
        headers: Readonly<Record<string, string | Array<string> | undefined>>,
        socket: unknown
      ) {
        const { "set-cookie": cookies, ...others } = headers
        watch.onAnswer({
          status,
          headers: Object.fromEntries(
            Object.entries(others).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
          ),
          cookies: cookies === undefined ? [] : [cookies].flat(),
          body: []
        })
        return inner.onRequestUpgrade.call(this, controller, status, headers, socket)
      }
    })
    return this.dispatcher.dispatch(options, watching as unknown as Undici.Dispatcher.DispatchHandler)
  }
}

export const make = (dispatcher: Undici.Dispatcher): Service => ({
  connect: ({ headers, url }, receiver: Receiver) => {
    let answer: Answer | undefined
    let cause: unknown
    let opened = false
    let over = false
    const finish = (call: () => void) => {
      if (over) return
      over = true
      call()
    }
    const refused = () => {
      const { body = [], cookies = [], headers: head = {}, status = 0 } = answer ?? {}
      finish(() => receiver.onRefused(status, head, cookies, Buffer.concat(body).toString("utf8")))
    }
    const watching = new Watching(dispatcher, {
      onAnswer: (given) => {
        answer = given
      },
      onRefusalOver: refused,
      onError: (error) => {
        cause ??= error
      }
    })
    const socket = new Undici.WebSocket(url.replace(/^http/, "ws"), { headers: { ...headers }, dispatcher: watching })
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
      if (!opened && answer !== undefined && answer.status !== 101) return refused()
      finish(() => receiver.onClose(code, opened ? undefined : (cause ?? { code: "ECONNRESET" })))
    })
    return {
      send: (text) => socket.send(text),
      close: () => {
        over = true
        socket.close()
      }
    }
  }
})
