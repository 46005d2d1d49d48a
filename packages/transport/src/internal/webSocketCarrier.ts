/**
 * Sends turns over WebSockets (protocol H) as a carrier. A refused handshake, or an error frame before any event, is
 * reported as the equivalent HTTP response, so that errors are classified in one place; events are text messages.
 */
import { defined } from "@effect-codex/schema/Defined"
import * as IncrementalInput from "@effect-codex/schema/IncrementalInput"
import type * as Item from "@effect-codex/schema/Item"
import * as RoutingToken from "@effect-codex/schema/RoutingToken"
import type { Route } from "@effect-codex/schema/Turn"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Carrier from "../Carrier.ts"
import type * as WebSocketConnector from "../WebSocketConnector.ts"
import { type Fallback, Fallbacks } from "./fallback.ts"
import type { Timer } from "./timer.ts"
import * as Messages from "./webSocketMessages.ts"

/** The limits of a client's sockets, in milliseconds (protocol H.5, H.6). */
export const limits = {
  idle: 5 * 60_000,
  age: 55 * 60_000,
  /** The maximum number of sockets, unless the connector sets one. */
  sockets: 128,
  /** The maximum number of reconnects per request. */
  redials: 2
}

export interface Options {
  readonly connector: WebSocketConnector.Service
  readonly http: Carrier.Service
  readonly now: () => number
  readonly timer: Timer
}

export interface WebSocketCarrier extends Carrier.Service {
  /** Closes the sockets of a thread; a socket with a running turn is closed after the turn. */
  readonly leave: (thread: string) => void
  /** Closes all sockets and opens no more; abort their requests too. */
  readonly close: () => void
}

const routeOf = (decision: IncrementalInput.Decision): Route =>
  decision._tag === "Incremental"
    ? { via: "websocket", input: "incremental" }
    : { via: "websocket", input: "full", ...defined({ reason: decision.reason, at: decision.at }) }

/** Headers for requests with a body, which a handshake does not have; the routing token is sent in messages. */
const notInHandshake: ReadonlySet<string> = new Set(["accept", "content-type", "content-encoding", RoutingToken.header])

const handshakeHeaders = (headers: Carrier.Request["headers"]): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(Object.entries(headers).filter(([name]) => !notInHandshake.has(name))),
  "openai-beta": "responses_websockets=2026-02-06"
})

/** Headers that can change while a socket is open. */
const renewed: ReadonlySet<string> = new Set(["authorization", "cookie"])

/** Two requests with the same key can use the same socket: it has the URL and headers of its handshake. */
const keyOf = ({ headers, url }: Carrier.Request): string =>
  JSON.stringify([
    url,
    headers["chatgpt-account-id"] ?? headers["authorization"],
    Object.entries(handshakeHeaders(headers)).filter(([name]) => !renewed.has(name))
  ])

export const make = ({ connector, http, now, timer }: Options): WebSocketCarrier => {
  const lines = new Set<Line>()
  const fallbacks = new Fallbacks()
  const maxSockets = connector.maxSockets ?? limits.sockets
  /** Requests waiting for a socket, because the maximum is reached and none is idle. */
  const waiting = new Set<Job>()

  const idleLines = (): ReadonlyArray<Line> => [...lines].filter((line) => line.isIdle)

  /** Whether another socket may be opened; closes the least recently used idle one if necessary. */
  const makeRoom = (): boolean => {
    if (lines.size < maxSockets) return true
    const idle = idleLines()
    if (idle.length === 0) return false
    idle.reduce((a, b) => (b.idleSince < a.idleSince ? b : a)).close()
    return true
  }

  let serving = false
  let isClosed = false

  /** Call this when a socket becomes idle or closes. */
  const serveWaiting = (): void => {
    if (serving) return
    serving = true
    for (const job of waiting) {
      if (lines.size >= maxSockets && idleLines().length === 0) break
      waiting.delete(job)
      job.start()
    }
    serving = false
  }

  /** One request, over its current socket or over HTTP after a fallback. */
  class Job implements Carrier.Control {
    line: Line | undefined
    /** The `response.create` message. */
    frame = ""
    readonly request: Carrier.Request
    readonly turn: Carrier.Turn
    readonly key: string
    readonly output = new Map<number, Item.Item>()
    readonly #receiver: Carrier.Receiver
    readonly #sendByHttp: () => Carrier.Control
    #other: Carrier.Control | undefined
    #over = false
    #begun = false
    #held: Array<string> = []
    #redials = 0

    constructor(
      request: Carrier.Request,
      turn: Carrier.Turn,
      receiver: Carrier.Receiver,
      sendByHttp: () => Carrier.Control
    ) {
      this.request = request
      this.#receiver = receiver
      this.#sendByHttp = sendByHttp
      this.turn = turn
      this.key = keyOf(request)
    }

    start(): void {
      const fallback = this.turn.mode === "auto" ? fallbacks.reasonFor(this.key) : undefined
      if (fallback === undefined) this.#go(this.#idleLine())
      else this.fallBack(fallback)
    }

    #idleLine(): Line | undefined {
      for (const line of lines) {
        if (line.key !== this.key || !line.isIdle) continue
        if (now() - line.openedAt < limits.age) return line
        line.close()
      }
      return undefined
    }

    #hasBusyLine(): boolean {
      return [...lines].some(({ isStale, key }) => key === this.key && !isStale)
    }

    #go(line: Line | undefined): void {
      const { ahead } = this.turn
      const isConnected = line === undefined ? this.#hasBusyLine() : ahead === "connect" || line.last !== undefined
      if (ahead !== undefined && isConnected) return this.done()
      if (line === undefined && !makeRoom()) {
        waiting.add(this)
        return
      }
      const decision = IncrementalInput.decide(line?.last, this.turn.request)
      this.frame = Messages.createFrame(this.turn, decision)
      this.turn.onRoute?.(routeOf(decision))
      if (Messages.isTooLarge(this.frame)) return this.tooLarge()
      this.line = line ?? dial(this)
      this.line.take(this)
    }

    /** The message exceeds the maximum size, by its length or by the server's response. */
    tooLarge(): void {
      if (this.turn.mode === "auto") return this.fallBack("too_large")
      this.respond(
        413,
        {},
        [],
        JSON.stringify({ error: { message: "The message exceeds the maximum WebSocket message size." } })
      )
    }

    /** Reconnects with the full input; returns whether a reconnect was left. */
    redial(): boolean {
      if (this.#redials >= limits.redials) return false
      this.#redials++
      this.#held = []
      this.output.clear()
      this.#go(undefined)
      return true
    }

    fallBack(fallback: Fallback): void {
      this.line = undefined
      if (this.turn.ahead !== undefined) return this.done()
      this.turn.onRoute?.({ via: "sse", fallback })
      this.#other = this.#sendByHttp()
    }

    /** Completes a `connect` or `warm_up`, even if no socket is available. */
    done(): void {
      const [headers, cookies] = this.line?.handshake() ?? [{}, []]
      this.respond(200, headers, cookies, "")
    }

    get begun(): boolean {
      return this.#begun
    }

    /** Whether messages are held, which an error response could not contain. */
    get hasHeld(): boolean {
      return this.#held.length > 0
    }

    /** Forwards the headers and the held messages, once. */
    #begin(): void {
      if (this.#begun) return
      this.#begun = true
      const [headers, cookies] = this.line?.handshake() ?? [{}, []]
      this.#receiver.onHeaders(200, { "content-type": "application/json", ...headers }, cookies)
      for (const held of this.#held.splice(0)) if (!this.#over) this.#receiver.onMessage(held)
    }

    /** Handles a message. Messages outside the turn's output are held until the first output. */
    pass(text: string, type: unknown): void {
      if (this.turn.ahead !== undefined) return
      if (!this.#begun && typeof type === "string" && Messages.outsideTurn.has(type)) {
        this.#held.push(text)
        return
      }
      this.#begin()
      if (!this.#over) this.#receiver.onMessage(text)
    }

    end(): void {
      if (this.#over) return
      if (this.turn.ahead !== undefined) return this.done()
      this.#begin()
      if (this.#over) return
      this.#over = true
      this.#receiver.onEnd()
    }

    /** Responds with the equivalent HTTP response. */
    respond(status: number, headers: Messages.Head, cookies: ReadonlyArray<string>, body: string): void {
      if (this.#over) return
      this.#receiver.onHeaders(status, headers, cookies)
      if (!this.#over && body !== "") this.#receiver.onData(new TextEncoder().encode(body))
      if (this.#over) return
      this.#over = true
      this.#receiver.onEnd()
    }

    fail(failure: Carrier.CarrierFailure): void {
      if (this.#over) return
      if (this.turn.ahead !== undefined && this.turn.mode === "auto") return this.done()
      this.#over = true
      this.#receiver.onFailure(failure)
    }

    dialFailed(refusal: Refusal): void {
      fallbacks.failed(this.key, "dial_failed")
      if (this.turn.mode === "auto") return this.fallBack("dial_failed")
      this.refused(refusal)
    }

    /** Responds with the outcome of the handshake. */
    refused(refusal: Refusal): void {
      // nothing was sent
      this.turn.onRoute?.({ via: "websocket" })
      if (refusal.status === undefined) this.fail({ cause: refusal.cause ?? { code: "ECONNRESET" } })
      else this.respond(refusal.status, refusal.headers, refusal.cookies, refusal.body)
    }

    abort(reason?: "silent"): void {
      if (this.#other !== undefined) return this.#other.abort()
      if (this.#over) return
      this.#over = true
      waiting.delete(this)
      // another turn may have the socket already
      if (this.line?.job !== this) return
      if (reason === "silent") fallbacks.failed(this.key, "broken")
      this.line.close()
    }

    /** Messages cannot be paused; the decoder limits buffering. */
    pause(): void {
      this.#other?.pause()
    }

    resume(): void {
      this.#other?.resume()
    }
  }

  /** One socket, with its current turn. */
  class Line implements WebSocketConnector.Receiver {
    state: "dialling" | "open" | "closed" = "dialling"
    job: Job | undefined
    last: IncrementalInput.Previous | undefined
    openedAt = now()
    idleSince = now()
    socket: WebSocketConnector.Socket | undefined
    /** True if no further turn may use it. */
    isStale = false
    /** True once it has been idle: the server may close it just as the next turn is sent. */
    hasRested = false
    readonly key: string
    readonly authorization: string | undefined
    readonly thread: string | undefined
    #cancelTimer: (() => void) | undefined
    #head: readonly [Messages.Head, ReadonlyArray<string>] = [{}, []]

    constructor({ key, request: { headers }, turn }: Job) {
      this.key = key
      this.authorization = headers["authorization"]
      this.thread = headers["thread-id"]
      lines.add(this)
      this.#cancelTimer = timer(turn.handshakeLimit, () => this.onClose(1006, { code: "ETIMEDOUT" }))
    }

    get isIdle(): boolean {
      return this.state === "open" && this.job === undefined
    }

    take(job: Job): void {
      this.job = job
      if (this.state === "open") this.#send(job)
    }

    #send(job: Job): void {
      if (job.turn.ahead === "connect") {
        this.#rest()
        return job.done()
      }
      this.#cancelTimer?.()
      this.#cancelTimer = undefined
      this.last = undefined
      this.socket?.send(job.frame)
      job.frame = ""
    }

    /** The response headers and cookies of the handshake, returned only for the first response. */
    handshake(): readonly [Messages.Head, ReadonlyArray<string>] {
      const head = this.#head
      this.#head = [{}, []]
      return head
    }

    #rest(): void {
      const isLast = this.isStale || this.job?.turn.single === true
      this.job = undefined
      if (isLast) return this.close()
      this.hasRested = true
      this.idleSince = now()
      this.#cancelTimer?.()
      this.#cancelTimer = timer(limits.idle, () => this.close())
      serveWaiting()
    }

    close(): void {
      if (this.state === "closed") return
      this.#leave()
      this.socket?.close()
    }

    #leave(): Job | undefined {
      const job = this.job
      this.state = "closed"
      this.job = undefined
      this.last = undefined
      lines.delete(this)
      this.#cancelTimer?.()
      this.#cancelTimer = undefined
      serveWaiting()
      return job
    }

    onOpen(headers: Messages.Head, setCookies: ReadonlyArray<string>): void {
      if (this.state !== "dialling") return
      this.state = "open"
      this.openedAt = now()
      this.#head = [headers, setCookies]
      if (this.job !== undefined) this.#send(this.job)
    }

    onRefused(status: number, headers: Messages.Head, cookies: ReadonlyArray<string>, body: string): void {
      if (this.state !== "dialling") return
      const job = this.#leave()
      if (job === undefined) return
      if (status === 426) {
        fallbacks.notAllowed()
        if (job.turn.mode === "auto") return job.fallBack("not_allowed")
      }
      if (status === 401) forget(this.authorization)
      // a retry over SSE would get the same response
      const refusal = { status, headers, cookies, body }
      if (status === 401 || status === 429) return job.refused(refusal)
      job.dialFailed(refusal)
    }

    onMessage(text: string): void {
      if (this.state !== "open") return
      const { job } = this
      const frame = Messages.parse(text)
      if (Messages.isFailure(frame)) return this.#failed(job, frame, text)
      if (job === undefined) return
      const type = frame["type"]
      if (type === "response.output_item.done") {
        const index = frame["output_index"]
        job.output.set(typeof index === "number" ? index : job.output.size, frame["item"] as Item.Item)
      }
      const isEnd = typeof type === "string" && Messages.terminal.has(type)
      if (isEnd) {
        fallbacks.answered(this.key)
        this.#remember(job, frame)
        this.#rest()
      }
      job.pass(text, type)
      if (isEnd) job.end()
    }

    #remember(job: Job, frame: Messages.Json): void {
      const responseId = Messages.finishedId(frame)
      if (responseId === undefined) return
      const output = [...job.output].sort(([a], [b]) => a - b).map(([, item]) => item)
      this.last = { request: job.turn.request, responseId, output }
    }

    /** The server-side state of a socket is unknown after an error, so it is closed. */
    #failed(job: Job | undefined, frame: Messages.Json, text: string): void {
      const [headers, cookies] = this.#head
      const { code, status, type } = Messages.statementOf(frame)
      this.close()
      if (status === 401) forget(this.authorization)
      if (job === undefined) return
      fallbacks.answered(this.key)
      if (Messages.cacheLost.has(code ?? type ?? "")) {
        if (!job.begun && job.redial()) return
        // once output has arrived, the turn is truncated as by a close
        if (job.begun) return job.end()
      }
      // the request's own credentials were not refused
      const isOutdated = status === 401 && this.authorization !== job.request.headers["authorization"]
      if (isOutdated && !job.begun && job.redial()) return
      const isAhead = job.turn.ahead !== undefined
      const answer = status ?? (isAhead ? 400 : undefined)
      const isResponse = isAhead || status === 401 || !(frame["type"] === "response.failed" || job.hasHeld)
      if (isResponse && answer !== undefined && !job.begun) {
        const { error } = Messages.responseOf(frame)
        const body = error === undefined ? text : JSON.stringify({ error })
        return job.respond(answer, { ...headers, ...Messages.headersOf(frame) }, cookies, body)
      }
      job.pass(text, frame["type"])
      job.end()
    }

    onBinary(): void {
      const { job } = this
      this.close()
      if (job === undefined) return
      fallbacks.failed(this.key, "broken")
      job.fail({ cause: { code: "UND_ERR_RESPONSE" } })
    }

    onClose(code: number, cause?: unknown): void {
      if (this.state === "closed") return
      const wasDialling = this.state === "dialling"
      const job = this.#leave()
      this.socket?.close()
      if (job === undefined) return
      if (wasDialling) return job.dialFailed({ cause })
      if (code === 1009 && !job.begun) return job.tooLarge()
      // the server closed the idle socket while the turn was being sent
      if (this.hasRested && !job.begun && job.redial()) return
      fallbacks.failed(this.key, "broken")
      // any close ends the body: without a terminal event, the decoder reports a truncated turn
      if (code === 1006 || job.turn.ahead !== undefined) job.fail({ cause: cause ?? { code: "ECONNRESET" } })
      else job.end()
    }
  }

  /** Stops using sockets that were opened with credentials the server has since refused. */
  const forget = (authorization: string | undefined): void => {
    for (const line of [...lines]) {
      if (line.authorization !== authorization) continue
      line.isStale = true
      if (line.isIdle) line.close()
    }
  }

  const dial = (job: Job): Line => {
    const { request } = job
    const line = new Line(job)
    line.socket = connector.connect?.({ url: request.url, headers: handshakeHeaders(request.headers) }, line)
    return line
  }

  return {
    send: (request, receiver) => {
      const { turn } = request
      if (turn !== undefined && isClosed) return Effect.interrupt
      return turn === undefined || connector.connect === undefined
        ? http.send(request, receiver)
        : Effect.map(Effect.runtime<never>(), (runtime) => {
            const job = new Job(request, turn, receiver, () => deferred(runtime, http.send(request, receiver)))
            job.start()
            return job
          })
    },
    leave: (thread) => {
      for (const line of [...lines]) {
        if (line.thread !== thread) continue
        line.isStale = true
        if (line.job === undefined) line.close()
      }
    },
    close: () => {
      isClosed = true
      waiting.clear()
      for (const line of [...lines]) line.close()
    }
  }
}

/** A request that starts asynchronously. */
const deferred = (runtime: Runtime.Runtime<never>, send: Effect.Effect<Carrier.Control>): Carrier.Control => {
  let control: Carrier.Control | undefined
  let then: keyof Carrier.Control | undefined
  const start = Effect.map(send, (started) => {
    control = started
    if (then !== undefined) started[then]()
  })
  Runtime.runFork(runtime)(start)
  const tell = (what: keyof Carrier.Control) => () => {
    if (control !== undefined) control[what]()
    else if (then !== "abort") then = what
  }
  return { abort: tell("abort"), pause: tell("pause"), resume: tell("resume") }
}

/** Why no socket was opened: the handshake response, or the connection error. */
type Refusal =
  | {
      readonly status: number
      readonly headers: Messages.Head
      readonly cookies: ReadonlyArray<string>
      readonly body: string
    }
  | { readonly status?: undefined; readonly cause: unknown }
