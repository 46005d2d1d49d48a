/**
 * The whole way of a turn's bytes, synchronously: UTF-8, server-sent events, JSON, wire events, turn events.
 *
 * This is the core under {@link TurnStream}; use it directly where there is no Effect stream.
 *
 * @since 0.1.0
 */
import type { ResponseEvent, Turn, TurnEvent } from "@effect-codex/schema"
import { ResponseEvent as Events, Failure } from "@effect-codex/schema"
import * as Delta from "./internal/delta.ts"
import * as Sse from "./Sse.ts"
import { InvalidEvent, InvalidUtf8, type StreamError, StreamTruncated } from "./StreamError.ts"
import * as TurnState from "./TurnState.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Sse.Options, TurnState.Options {}

const none: ReadonlyArray<TurnEvent.TurnEvent> = []

/**
 * Decodes one turn. `push` takes a chunk of the body and returns the events it completes; `end` is told that no more
 * comes. `done` is set with the terminal event, after which nothing is read any more, or with the `failure`, which
 * carries what had arrived. Make one for each attempt.
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
  /** Bytes taken in. */
  bytes = 0
  /** Grows whenever something that belongs to the turn arrived; keep-alives and news of rate limits do not. */
  progress = 0
  readonly state: TurnState.TurnState
  readonly #utf8 = new Utf8.Decoder()
  readonly #parser: Sse.Parser
  readonly #maxEventSize: number
  #out: Array<TurnEvent.TurnEvent> = []
  #closing = false

  constructor(options: Options = {}) {
    this.#maxEventSize = options.maxEventSize ?? Sse.defaultMaxEventSize
    this.state = new TurnState.TurnState(options)
    this.#parser = new Sse.Parser({ event: (data, name) => this.#event(data, name) }, this.#maxEventSize)
  }

  get done(): boolean {
    return this.failure !== undefined || this.state.outcome !== undefined
  }

  /** The finished turn, once there is one. */
  get turn(): Turn.Turn | undefined {
    return this.state.outcome?._tag === "Finished" ? this.state.outcome.turn : undefined
  }

  push(chunk: Uint8Array): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.done) return none
    this.bytes += chunk.length
    this.#parser.feed(this.#utf8.decode(chunk))
    return this.#pushed()
  }

  /** The same for a text message that is one event, as a WebSocket carries them (protocol H.4). */
  pushMessage(text: string): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.done) return none
    this.bytes += text.length
    this.#event(text, "")
    return this.#pushed()
  }

  #pushed(): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.state.outcome !== undefined) {
      if (this.state.outcome._tag === "Failed") this.failure = this.state.outcome.error
    } else if (this.#parser.tooLarge) {
      this.failure = new InvalidEvent(
        { reason: "tooLarge", limit: this.#maxEventSize, partial: this.state.partial() },
        Failure.trusted
      )
    } else if (this.#utf8.invalidAt !== undefined) {
      this.failure = new InvalidUtf8({ offset: this.#utf8.invalidAt, partial: this.state.partial() }, Failure.trusted)
    }
    return this.#take()
  }

  /**
   * The body is over. A terminal event that came whole but without its closing blank line still counts; anything else
   * that is unfinished does not, and the turn is truncated.
   */
  end(): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.done) return none
    if (this.#parser.unfinished && !this.#utf8.unfinished) {
      this.#closing = true
      this.#parser.flush()
    }
    const outcome = this.state.outcome
    if (outcome === undefined) this.failure = this.truncated()
    else if (outcome._tag === "Failed") this.failure = outcome.error
    return this.#take()
  }

  /** The failure of a body that ends here. */
  truncated(): StreamTruncated {
    const { lastEventType, responseId } = this.state
    return new StreamTruncated(
      {
        bytes: this.bytes,
        events: this.state.events,
        ...(lastEventType !== undefined && { lastEventType }),
        ...(responseId !== undefined && { responseId }),
        partial: this.state.partial()
      },
      Failure.trusted
    )
  }

  #take(): ReadonlyArray<TurnEvent.TurnEvent> {
    if (this.#out.length === 0) return none
    const out = this.#out
    this.#out = []
    if (out.some((event) => event._tag !== "RateLimitsUpdated")) this.progress++
    return out
  }

  #event(data: string, name: string): void {
    const delta = this.#closing ? undefined : Delta.read(data)
    if (delta !== undefined) return this.state.stepDelta(delta, this.#out)
    const event = parse(data)
    const type = event?.type
    if (this.#closing) {
      if (event === undefined || !Events.isTerminalType(typeof type === "string" ? type : name)) return
      this.state.unterminatedFinalEvent = true
    }
    if (typeof type === "string") this.state.step(event as ResponseEvent.ResponseEvent, this.#out)
    else if (event !== undefined && name !== "") this.state.stepNamed(name, event, this.#out)
    // the sentinel of other servers; never needed, never wrong
    else if (data !== "[DONE]") this.state.stepMalformed(data, name)
    if (this.state.outcome !== undefined) this.#parser.stop()
  }
}

/** The object in a payload. */
const parse = (data: string): { readonly type?: unknown } | undefined => {
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * The events of a body that is an async iterable, for callers without Effect streams. It ends with the turn, without
 * waiting for the rest of the body, and tells the body to stop.
 *
 * How the turn ended is asked of the `decoder`, which the caller makes for it: `decoder.turn` is the finished turn;
 * when it is `undefined`, `decoder.failure` says why. A body that rejects makes the iteration reject with the same
 * value; what had arrived is then in `decoder.state.partial()`.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { TurnDecoder } from "@effect-codex/stream"
 *
 * export const answer = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
 *   const decoder = new TurnDecoder.TurnDecoder()
 *   for await (const event of TurnDecoder.decodeAsyncIterable(body, decoder)) {
 *     if (event._tag === "TextDelta") process.stdout.write(event.delta)
 *   }
 *   return decoder.turn === undefined ? String(decoder.failure) : decoder.turn.text
 * }
 * ```
 */
export async function* decodeAsyncIterable(
  body: AsyncIterable<Uint8Array>,
  decoder: TurnDecoder
): AsyncGenerator<TurnEvent.TurnEvent, void, void> {
  for await (const chunk of body) {
    yield* decoder.push(chunk)
    if (decoder.done) return
  }
  yield* decoder.end()
}
