/** One request on a carrier: headers, body, timeouts, and release of the connection. */
import * as Effect from "effect/Effect"
import type * as Carrier from "../Carrier.ts"
import type { Reader } from "../Reader.ts"
import type { ConnectionFailed, StreamIdle, TimedOut } from "../TransportError.ts"
import * as Connection from "./connection.ts"
import { Drain } from "./drain.ts"
import * as Limits from "./limits.ts"
import type { Timer } from "./timer.ts"

export type ExchangeError = ConnectionFailed | TimedOut | StreamIdle

export interface Head {
  readonly status: number
  readonly setCookies: ReadonlyArray<string>
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** The consumer of the body. */
export interface BodyReader {
  readonly reader: Reader<unknown, unknown>
  /** Whether the reader's values are kept for {@link Exchange.pull}; otherwise only the end matters. */
  readonly keep: boolean
  /** The body is treated as complete after this many milliseconds. */
  readonly enoughAfter?: number
}

export interface Options {
  readonly now: () => number
  readonly timer: Timer
  readonly limits: Limits.Limits
  /** Ids from the headers, for errors. */
  readonly ids: (headers: Head["headers"]) => { readonly requestId?: string; readonly cfRay?: string }
  readonly onFirstBytes?: ((elapsedMillis: number) => void) | undefined
  /** Chooses the reader of the body. */
  readonly readerOf: (head: Head) => BodyReader
  /** Called once the connection is released or closed. */
  readonly onClosed?: (() => void) | undefined
}

/** The carrier is paused while more bytes than this are buffered. */
const highWater = 65_536

type Phase = "headers" | "body" | "draining" | "closed"

/**
 * Receives the carrier's callbacks and serves one fiber. The body goes to its reader as it arrives; the fiber is woken
 * only when it has work to do.
 */
export class Exchange implements Carrier.Receiver {
  head: Head | undefined
  #phase: Phase = "headers"
  #failure: ExchangeError | undefined
  #defect: unknown
  #body: BodyReader | undefined
  #values: Array<unknown> = []
  #held = 0
  #paused = false
  #wake: (() => void) | undefined
  #control: Carrier.Control | undefined
  #cancelTimer: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #ended = false
  #aborted = false
  #isShutDown = false
  readonly #sentAt: number
  #bytes = 0
  #lastBytesAt = 0
  #lastProgressAt = 0
  #progress = 0
  /** When a body that does not end is treated as complete. */
  #until = Number.POSITIVE_INFINITY
  #drain: Drain | undefined
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
    this.#sentAt = options.now()
  }

  /** Sends the request. Timeouts apply from now on. */
  start(carrier: Carrier.Service, request: Carrier.Request): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#check()
      if (this.#phase === "closed") return Effect.void
      return Effect.map(carrier.send(request, this), (control) => {
        this.#control = control
        if (this.#aborted) control.abort()
        else if (this.#paused) control.pause()
      })
    })
  }

  /** Whether the body has ended, successfully or not. */
  get over(): boolean {
    return this.#phase === "draining" || this.#phase === "closed"
  }

  /** Waits for the headers; if values are not kept, also for the end of the body. */
  readonly headers: Effect.Effect<Head, ExchangeError> = this.#settled(() =>
    this.#body?.keep === true || this.over ? this.head : undefined
  )

  /** Waits for at least one value; returns none at the end of the body. */
  readonly pull: Effect.Effect<ReadonlyArray<unknown>, ExchangeError> = this.#settled(() =>
    this.#values.length > 0 || (this.over && !this.#failed) ? this.#take() : undefined
  )

  /** Aborts the request, unless the connection is already being released. */
  close(): void {
    if (this.#phase !== "draining") this.abort()
  }

  abort(): void {
    if (this.#phase === "closed") return
    this.#close()
    this.#cut()
  }

  /** Aborts the request because its Layer closes, and interrupts the fiber that waits for the response. */
  shutDown(): void {
    this.#isShutDown = !this.over
    this.abort()
    this.#notify()
  }

  onHeaders(status: number, headers: Head["headers"], setCookies: ReadonlyArray<string>): void {
    if (this.#phase !== "headers") return
    this.head = { status, headers, setCookies }
    this.#body = this.#options.readerOf(this.head)
    this.#phase = "body"
    const now = this.#options.now()
    this.#lastBytesAt = this.#lastProgressAt = now
    if (this.#body.enoughAfter !== undefined) this.#until = now + this.#body.enoughAfter
    this.#notify()
    this.#check()
  }

  onData(bytes: Uint8Array): void {
    if (this.#phase !== "body") return this.#discard(bytes.length)
    this.#received(bytes.length)
    this.#completed(this.#body?.reader.push(bytes), bytes.length)
  }

  onMessage(text: string): void {
    if (this.#phase !== "body") return this.#discard(text.length)
    this.#received(text.length)
    this.#completed(this.#body?.reader.pushMessage(text), text.length)
  }

  onEnd(): void {
    if (this.#phase === "headers") return this.onFailure({ cause: undefined })
    this.#ended = true
    if (this.#phase === "body") this.#add(this.#body?.reader.end())
    this.#close()
    this.#notify()
  }

  onFailure(failure: Carrier.CarrierFailure): void {
    this.#ended = true
    if (this.#phase === "closed") return
    if (this.#phase === "draining") return this.#close()
    if (failure.reason === "defect") this.#defect = failure.cause ?? failure
    const now = this.#options.now()
    const inBody = this.#phase !== "headers"
    this.#fail(
      Connection.fromFailure(failure, {
        ...this.#facts(now),
        phase: inBody ? "body" : "headers",
        ...(inBody && { silentMillis: this.#waited(now, this.#lastBytesAt) })
      })
    )
  }

  #discard(size: number): void {
    if (this.#drain?.discard(size) === true) this.abort()
  }

  #received(size: number): void {
    const now = this.#options.now()
    if (this.#bytes === 0) this.#options.onFirstBytes?.(now - this.#options.limits.startedAt)
    this.#bytes += size
    this.#lastBytesAt = now
  }

  /** Handles the values that a chunk of the body completed. */
  #completed(values: ReadonlyArray<unknown> | undefined, size: number): void {
    const reader = this.#body?.reader
    if (reader === undefined) return
    this.#add(values)
    if (reader.progress !== this.#progress) {
      this.#progress = reader.progress
      this.#lastProgressAt = this.#lastBytesAt
    }
    if (reader.done) {
      this.#startDrain()
      this.#notify()
    } else if (this.#values.length > 0) {
      this.#held += size
      this.#notify()
      if (this.#held > highWater) this.#pause()
    }
  }

  #add(values: ReadonlyArray<unknown> | undefined): void {
    if (this.#body?.keep === true && values !== undefined) for (const value of values) this.#values.push(value)
  }

  #take(): ReadonlyArray<unknown> {
    const values = this.#values
    this.#values = []
    this.#held = 0
    return values
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#control?.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    // paused time does not count as idle time of the server
    this.#lastBytesAt = this.#lastProgressAt = this.#options.now()
    this.#control?.resume()
    this.#check()
  }

  #startDrain(): void {
    this.#phase = "draining"
    if (this.#ended) return this.#close()
    this.#drain = new Drain(this.#options.now())
    this.#until = this.#drain.until
    if (this.#paused) this.#resume()
    else this.#check()
  }

  #close(): void {
    if (this.#phase === "closed") return
    this.#phase = "closed"
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#options.onClosed?.()
  }

  /** Aborts the carrier's request, if it is still running. */
  #cut(reason?: "silent"): void {
    if (this.#ended) return
    this.#ended = true
    this.#aborted = true
    this.#control?.abort(reason)
  }

  #fail(failure: ExchangeError): void {
    this.#failure = failure
    this.#close()
    this.#notify()
  }

  get #failed(): boolean {
    return this.#failure !== undefined || this.#defect !== undefined
  }

  /** Waits for a value, or fails when there can be none. */
  #settled<A>(value: () => A | undefined): Effect.Effect<A, ExchangeError> {
    const look = (): Effect.Effect<A, ExchangeError> | undefined => {
      if (this.#isShutDown) return Effect.interrupt
      const found = value()
      if (found !== undefined) return Effect.succeed(found)
      if (this.#defect !== undefined) return Effect.die(this.#defect)
      return this.#failure === undefined ? undefined : Effect.fail(this.#failure)
    }
    return Effect.suspend(() => look() ?? this.#waiting(look))
  }

  #waiting<A>(look: () => Effect.Effect<A, ExchangeError> | undefined): Effect.Effect<A, ExchangeError> {
    return Effect.async((resume) => {
      this.#wake = () => {
        const found = look()
        if (found === undefined) return
        this.#wake = undefined
        resume(found)
      }
      this.#resume()
      // resuming may have delivered it synchronously
      this.#wake?.()
      return Effect.sync(() => {
        this.#wake = undefined
      })
    })
  }

  #notify(): void {
    this.#wake?.()
  }

  #facts(now: number): object {
    return {
      bytesReceived: this.#bytes,
      elapsedMillis: now - this.#options.limits.startedAt,
      ...(this.head !== undefined && this.#options.ids(this.head.headers))
    }
  }

  #waited(now: number, since: number): number {
    return this.#paused ? 0 : now - since
  }

  /** Checks all timeouts and schedules the next check. One timer serves all of them and is never postponed. */
  readonly #check = (): void => {
    const now = this.#options.now()
    if (this.#phase === "closed") return
    if (now >= this.#until) {
      this.abort()
      return this.#notify()
    }
    if (this.#phase === "draining") return this.#lookAgain(this.#until, now)
    const next = Limits.check(
      this.#options.limits,
      {
        sentAt: this.#sentAt,
        inBody: this.#phase !== "headers",
        silence: this.#waited(now, this.#lastBytesAt),
        standstill: this.#waited(now, this.#lastProgressAt)
      },
      now,
      () => this.#facts(now)
    )
    if (typeof next === "number") return this.#lookAgain(Math.min(now + next, this.#until), now)
    this.#fail(next)
    this.#cut(next._tag === "StreamIdle" || next.phase === "headers" ? "silent" : undefined)
  }

  #lookAgain(at: number, now: number): void {
    if (at === Number.POSITIVE_INFINITY || this.#timerAt <= at) return
    this.#cancelTimer?.()
    this.#timerAt = at
    this.#cancelTimer = this.#options.timer(at - now, () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#cancelTimer = undefined
      this.#check()
    })
  }
}
