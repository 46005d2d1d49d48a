/** A carrier over undici's dispatcher, without fetch, Node streams or fibers between socket and decoder. */
import type { IncomingHttpHeaders } from "node:http"
import type { Transform } from "node:stream"
import type { Dispatcher } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type * as Carrier from "../Carrier.ts"
import { decoderOf } from "./decoding.ts"

type Headers = Readonly<Record<string, string | undefined>>

const flatten = (headers: IncomingHttpHeaders): Headers => {
  const flat: Record<string, string | undefined> = {}
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    flat[name] = Array.isArray(value) ? value.join(", ") : value
  }
  return flat
}

/** The abort reason given to undici; it is never exposed. */
const unwanted = new DOMException("The request is not wanted any more", "AbortError")

/** Maps undici's callbacks to a receiver. The control also works before a connection exists. */
class Handler implements Dispatcher.DispatchHandler, Carrier.Control {
  #controller: Dispatcher.DispatchController | undefined
  #decoder: Transform | undefined
  #aborted = false
  #paused = false
  readonly #receiver: Carrier.Receiver

  constructor(receiver: Carrier.Receiver) {
    this.#receiver = receiver
  }

  abort(): void {
    this.#aborted = true
    this.#controller?.abort(unwanted)
    this.#decoder?.destroy()
  }

  pause(): void {
    this.#paused = true
    if (this.#decoder === undefined) this.#controller?.pause()
    else this.#decoder.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#decoder === undefined) this.#controller?.resume()
    else this.#decoder.resume()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // aborting here would close the new connection, and the next request would need another one
    if (this.#aborted) throw unwanted
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    this.#decoder = decoderOf(headers["content-encoding"])
    if (this.#decoder !== undefined) this.#decode(this.#decoder, controller)
    const { "set-cookie": setCookies, ...others } = headers
    this.#receiver.onHeaders(status, flatten(others), setCookies ?? [])
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#aborted) return
    if (this.#decoder === undefined) this.#receiver.onData(chunk)
    else if (!this.#decoder.write(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    if (this.#aborted) return
    if (this.#decoder === undefined) this.#receiver.onEnd()
    else this.#decoder.end()
  }

  onResponseError(_controller: unknown, cause: unknown): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#decoder?.destroy()
    this.#receiver.onFailure({ cause })
  }

  #decode(decoder: Transform, controller: Dispatcher.DispatchController): void {
    decoder.on("data", (chunk: Buffer) => {
      if (!this.#aborted) this.#receiver.onData(chunk)
    })
    decoder.on("drain", () => controller.resume())
    decoder.on("end", () => {
      if (!this.#aborted) this.#receiver.onEnd()
    })
    decoder.on("error", (cause) => {
      this.onResponseError(controller, cause)
      controller.abort(unwanted)
    })
    if (this.#paused) decoder.pause()
  }
}

export const make = (dispatcher: Dispatcher): Carrier.Service => ({
  send: ({ body, headers, method, url }, receiver) =>
    Effect.sync(() => {
      const handler = new Handler(receiver)
      try {
        const { origin, pathname, search } = new URL(url)
        dispatcher.dispatch({ origin, path: `${pathname}${search}`, method, headers, body: body ?? null }, handler)
      } catch (cause) {
        handler.onResponseError(undefined, cause)
      }
      return handler
    })
})
