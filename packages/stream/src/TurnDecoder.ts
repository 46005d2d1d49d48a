/**
 * The complete synchronous decoder of a turn: UTF-8, server-sent events, JSON, wire events, turn events.
 *
 * Clients call it as data arrives: {@link TurnDecoder.push} takes chunks of a body, and {@link TurnDecoder.pushMessage}
 * takes single events, such as WebSocket messages.
 *
 * @since 0.1.0
 */
import {
  ErrorStatement,
  ResponseEvent as Events,
  Failure,
  type ResponseEvent,
  ServiceError,
  type Turn,
  type TurnEvent
} from "@effect-codex/schema"
import * as Delta from "./internal/delta.ts"
import * as Statement from "./internal/statement.ts"
import { asNonBlank, type Raw } from "./internal/values.ts"
import * as Sse from "./Sse.ts"
import { InvalidEvent, InvalidUtf8, type StreamError, StreamTruncated } from "./StreamError.ts"
import * as TurnState from "./TurnState.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * The default maximum size of a turn, in bytes, far above any real turn.
 *
 * @since 0.1.0
 * @category configuration
 */
export const defaultMaxTurnSize = 256 * 1024 * 1024

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Sse.Options, TurnState.Options {
  /** Maximum size of the turn in bytes; default {@link defaultMaxTurnSize}, at most `Sse.largestSize`. */
  readonly maxTurnSize?: number
  /**
   * Called with every raw event before it is decoded, for data that turn events omit (`logprobs`, `sequence_number`,
   * future keys). It disables the fast path for deltas, so decoding is slower.
   */
  readonly onWireEvent?: (event: ResponseEvent.ResponseEvent) => void
}

const none: ReadonlyArray<TurnEvent.TurnEvent> = []

/** The maximum length of stray text, in characters. */
const maxStray = 65_536

/**
 * Decodes one turn. `push` takes a chunk of the body and returns the events it completes; `end` signals the end of the
 * body. `done` becomes true with the terminal event, after which all input is ignored, or with a `failure`, which
 * carries the partial turn. Create one for each attempt.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { TurnDecoder } from "@effect-codex/stream"
 *
 * const decoder = new TurnDecoder.TurnDecoder()
 * const body = 'data: {"type":"response.completed","response":{"id":"resp_1"}}\n\n'
 * const events = decoder.push(new TextEncoder().encode(body))
 * events.at(-1)?._tag // "TurnCompleted"
 * decoder.done // true
 * ```
 */
export class TurnDecoder {
  failure: StreamError | undefined
  /** The number of bytes received; for text messages, characters. */
  bytes = 0
  readonly state: TurnState.TurnState
  readonly #utf8 = new Utf8.Decoder()
  readonly #parser: Sse.Parser
  readonly #maxEventSize: number
  readonly #maxTurnSize: number
  readonly #onWireEvent: Options["onWireEvent"]
  #out: Array<TurnEvent.TurnEvent> = []
  #closing = false
  #stray = ""
  /** A payload without a type, which may explain why no events follow, and the number of events before it. */
  #explanation: { readonly payload: Raw; readonly after: number } | undefined
  /** A payload before the first event that is plain text or a page. */
  #words = ""

  constructor(options: Options = {}) {
    this.#maxEventSize = Math.min(options.maxEventSize ?? Sse.defaultMaxEventSize, Sse.largestSize)
    this.#maxTurnSize = Math.min(options.maxTurnSize ?? defaultMaxTurnSize, Sse.largestSize)
    this.#onWireEvent = options.onWireEvent
    this.state = new TurnState.TurnState(options)
    this.#parser = new Sse.Parser(
      {
        event: (data, name) => this.#event(data, name),
        stray: (line) => {
          if (this.#stray.length < maxStray) this.#stray += `${line}\n`
        }
      },
      this.#maxEventSize
    )
  }

  get done(): boolean {
    return this.failure !== undefined || this.state.outcome !== undefined
  }

  /** The finished turn, if any. */
  get turn(): Turn.Turn | undefined {
    return this.state.outcome?._tag === "Finished" ? this.state.outcome.turn : undefined
  }

  /**
   * Increases with every event that makes progress. Comments, keep-alives, rate limits, metadata and events without new
   * information do not count. A watchdog compares it with an earlier value.
   */
  get progress(): number {
    return this.state.progress
  }

  /**
   * Lines of the body outside events, up to 64 Ki characters: the text of a body that is not an event stream, or text
   * inserted by a proxy.
   */
  get strayText(): string {
    return this.#stray
  }

  push(chunk: Uint8Array): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.done) return none
    const room = this.#maxTurnSize - this.bytes
    this.bytes += chunk.length
    this.#parser.feed(this.#utf8.decode(chunk.length > room ? chunk.subarray(0, room) : chunk))
    if (!this.#takeOutcome()) {
      if (this.#parser.tooLarge) this.#fail("tooLarge", this.#maxEventSize)
      else if (this.#utf8.invalidAt !== undefined) {
        this.failure = new InvalidUtf8({ offset: this.#utf8.invalidAt, partial: this.state.partial() }, Failure.trusted)
      } else if (chunk.length > room) this.#fail("turnTooLarge", this.#maxTurnSize)
    }
    return this.#take()
  }

  /** Decodes one event received as a WebSocket text message (protocol H.4). */
  pushMessage(text: string): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.done) return none
    this.bytes += text.length
    if (text.length > this.#maxEventSize) this.#fail("tooLarge", this.#maxEventSize)
    else if (this.bytes > this.#maxTurnSize) this.#fail("turnTooLarge", this.#maxTurnSize)
    else {
      this.#event(text, "")
      this.#takeOutcome()
    }
    return this.#take()
  }

  /**
   * Signals the end of the body. A terminal event that lacks only its final blank line is accepted, and so is an error
   * in the body as plain JSON; otherwise the turn is truncated.
   */
  end(): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.done) return none
    if (this.#parser.unfinished && !this.#utf8.unfinished) {
      this.#closing = true
      this.#parser.flush()
    }
    if (this.state.outcome === undefined) {
      const explanation = this.state.diagnostics.events === 0 ? this.#explanation?.payload : undefined
      const error = explanation ?? (this.#stray === "" ? undefined : Statement.inText(this.#stray))
      if (error !== undefined) this.state.stepAs("error", error, this.#out)
    }
    if (!this.#takeOutcome() && this.state.outcome === undefined) this.failure = this.truncated()
    return this.#take()
  }

  /** The failure if the body ends here. */
  truncated(): StreamTruncated {
    const { diagnostics, responseId } = this.state
    const { lastEventType } = diagnostics
    return new StreamTruncated(
      {
        ...ServiceError.failure(this.#statement()),
        bytes: this.bytes,
        events: this.state.diagnostics.events,
        ...(lastEventType !== undefined && { lastEventType }),
        ...(responseId !== undefined && { responseId }),
        partial: this.state.partial()
      },
      Failure.trusted
    )
  }

  /** The last words of the server or of a proxy. Other stray text may be output of the model. */
  #statement(): Pick<ServiceError.Facts, "code" | "message"> {
    const isLast = this.#explanation?.after === this.state.diagnostics.events
    const { code, message } = isLast
      ? ErrorStatement.fromValue(this.#explanation?.payload)
      : ErrorStatement.fromText(ErrorStatement.isPage(this.#stray) ? this.#stray : this.#words)
    return { code, message }
  }

  #take(): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.#out.length === 0) return none
    const out = this.#out
    this.#out = []
    return out
  }

  /** Whether an event has ended the turn. */
  #takeOutcome(): boolean {
    const outcome = this.state.outcome
    if (outcome?._tag === "Failed") this.failure = outcome.error
    return outcome !== undefined
  }

  #fail(reason: InvalidEvent["reason"], limit: number): void {
    this.failure = new InvalidEvent({ reason, limit, partial: this.state.partial() }, Failure.trusted)
  }

  #event(data: string, name: string): void {
    if (!this.#closing && this.#onWireEvent === undefined) {
      const delta = Delta.read(data)
      if (delta !== undefined) {
        this.state.stepDelta(delta, this.#out)
        if (this.state.outcome !== undefined) this.#parser.stop()
        return
      }
    }
    const event = Statement.objectIn(data)
    const type = event === undefined ? undefined : typeOf(event, name)
    if (event === undefined || type === undefined) this.#malformed(data, name)
    else if (!this.#closing || Events.isTerminalType(type)) {
      if (this.#closing) this.state.diagnostics.unterminatedFinalEvent = true
      this.#onWireEvent?.(event as unknown as ResponseEvent.ResponseEvent)
      if (event["type"] === type) this.state.step(event as unknown as ResponseEvent.ResponseEvent, this.#out)
      else this.state.stepAs(type, event, this.#out)
    }
    if (this.state.outcome !== undefined) this.#parser.stop()
  }

  #malformed(data: string, name: string): void {
    const error = Statement.afterIncompleteEvent(data)
    if (error !== undefined) this.state.stepAs("error", error, this.#out)
    // `[DONE]` is the end marker of other servers and safe to ignore
    else if (!this.#closing && data !== "[DONE]") {
      const payload = Statement.inText(data)
      const after = this.state.diagnostics.events
      if (payload !== undefined) this.#explanation = { payload, after }
      else if (after === 0 && /^\s*[^\s{[]+\s+\S/.test(data)) this.#words ||= data.slice(0, maxStray)
      this.state.stepMalformed(data, name)
    }
  }
}

/** The type of an event: its own if known, else the name of its SSE frame. An error can have a code as its type. */
const typeOf = (event: Raw, name: string): string | undefined => {
  const type = event["type"]
  if (typeof type === "string" && Events.isKnownType(type)) return type
  const own = asNonBlank(type)
  if (name !== "" && Events.isKnownType(name)) return name
  return Statement.isError(event, own) ? "error" : own
}
