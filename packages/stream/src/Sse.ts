/**
 * Parses server-sent events according to the WHATWG standard (HTML, section 9.2.6): lines end in LF, CR or CRLF, and
 * chunks may split anywhere; comments, unknown fields and blocks without data are skipped; `data` lines are joined with
 * LF.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { decodeWith } from "./internal/channel.ts"
import { Text } from "./internal/text.ts"
import { InvalidEvent, InvalidUtf8 } from "./StreamError.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * The default maximum size of an event, in characters: large enough for an image in base64.
 *
 * @since 0.1.0
 * @category configuration
 */
export const defaultMaxEventSize = 32 * 1024 * 1024

/**
 * The largest limit that can be set for an event or a turn: strings of this length fit in every engine (V8 has the
 * smallest limit).
 *
 * @since 0.1.0
 * @category configuration
 */
export const largestSize = 0x1fffffe8

/**
 * The callbacks of a {@link Parser}. `event` receives the data, the event's name (`""` if absent) and the last event
 * id; `stray` receives each line that is neither a field nor a comment, which the standard ignores.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handler {
  readonly event: (data: string, name: string, id: string) => void
  readonly retry?: (millis: number) => void
  readonly stray?: (line: string) => void
}

const LF = 10
const SPACE = 32
const COLON = 58

/**
 * A synchronous, incremental parser: `feed` emits all complete events before it returns. Time and memory are linear in
 * the input for any chunking: an unfinished line is buffered, and only its new part is scanned.
 *
 * @since 0.1.0
 * @category models
 */
export class Parser {
  /** True once an event exceeded the limit; parsing has stopped. */
  tooLarge = false
  #stopped = false
  readonly #line = new Text()
  #skipLineFeed = false
  #data: string | undefined
  /** The data of an event with several `data` lines. */
  readonly #lines = new Text()
  #name = ""
  #id = ""
  #nextId = ""
  readonly #handler: Handler
  readonly #maxEventSize: number

  constructor(handler: Handler, maxEventSize: number = defaultMaxEventSize) {
    this.#handler = handler
    this.#maxEventSize = Math.min(maxEventSize, largestSize)
  }

  feed(text: string): void {
    if (this.#stopped || text === "") return
    const length = text.length
    let at = 0
    if (this.#skipLineFeed) {
      this.#skipLineFeed = false
      if (text.charCodeAt(0) === LF) at = 1
    }
    let lineFeed = text.indexOf("\n", at)
    let carriageReturn = text.indexOf("\r", at)
    while (lineFeed !== -1 || carriageReturn !== -1) {
      const endsInReturn = carriageReturn !== -1 && (lineFeed === -1 || carriageReturn < lineFeed)
      const end = endsInReturn ? carriageReturn : lineFeed
      if (this.#line.length === 0) {
        this.#read(text, at, end)
      } else {
        const line = this.#line.take() + text.slice(at, end)
        this.#read(line, 0, line.length)
      }
      if (this.#stopped) return
      at = end + 1
      if (endsInReturn) {
        // CR ends the line; an LF that follows, even in the next chunk, belongs to it
        if (at === length) this.#skipLineFeed = true
        else if (text.charCodeAt(at) === LF) at++
        carriageReturn = text.indexOf("\r", at)
        if (lineFeed !== -1 && lineFeed < at) lineFeed = text.indexOf("\n", at)
      } else {
        lineFeed = text.indexOf("\n", at)
      }
    }
    if (at < length) {
      this.#line.append(at === 0 ? text : text.slice(at))
      this.#bound(this.#line.length + this.#size)
    }
  }

  /** Stops parsing; the rest of the current chunk is skipped. */
  stop(): void {
    this.#stopped = true
  }

  /** Whether an event is incomplete because its blank line is missing. */
  get unfinished(): boolean {
    return this.#line.length > 0 || this.#data !== undefined || this.#name !== ""
  }

  /** Emits an event that lacks only its blank line. The standard discards it; the caller can decide from the data. */
  flush(): void {
    if (this.#stopped || !this.unfinished) return
    const line = this.#line.take()
    this.#read(line, 0, line.length)
    this.#dispatch()
  }

  get #size(): number {
    return this.#lines.length > 0 ? this.#lines.length : (this.#data?.length ?? 0)
  }

  #bound(size: number): void {
    if (size <= this.#maxEventSize) return
    this.tooLarge = true
    this.#stopped = true
  }

  #read(text: string, start: number, end: number): void {
    if (start === end) return this.#dispatch()
    // the same for a line that arrives whole and for one that arrives in parts
    this.#bound(end - start + this.#size)
    if (this.#stopped) return
    switch (text.charCodeAt(start)) {
      case COLON:
        return
      case 100: {
        const value = fieldValue(text, start, end, "data")
        if (value === undefined) break
        return this.#append(value)
      }
      case 101: {
        const value = fieldValue(text, start, end, "event")
        if (value === undefined) break
        this.#name = value
        return
      }
      case 105: {
        const value = fieldValue(text, start, end, "id")
        if (value === undefined) break
        if (!value.includes("\0")) this.#nextId = value
        return
      }
      case 114: {
        const value = fieldValue(text, start, end, "retry")
        if (value === undefined) break
        if (/^[0-9]+$/.test(value)) this.#handler.retry?.(Number(value))
        return
      }
    }
    this.#handler.stray?.(text.slice(start, end))
  }

  #append(value: string): void {
    if (this.#data === undefined) {
      this.#data = value
      return
    }
    if (this.#lines.length === 0) this.#lines.append(this.#data)
    this.#lines.append(`\n${value}`)
  }

  #dispatch(): void {
    this.#id = this.#nextId
    const data = this.#lines.length > 0 ? this.#lines.take() : this.#data
    const name = this.#name
    this.#data = undefined
    this.#name = ""
    if (data !== undefined) this.#handler.event(data, name, this.#id)
  }
}

/** The value of the line `text[start, end)` if its field is `name`; `""` if the line is only the name. */
const fieldValue = (text: string, start: number, end: number, name: string): string | undefined => {
  const colon = start + name.length
  if (colon > end || !text.startsWith(name, start)) return undefined
  if (colon === end) return ""
  if (text.charCodeAt(colon) !== COLON) return undefined
  const value = colon + 1
  return text.slice(value < end && text.charCodeAt(value) === SPACE ? value + 1 : value, end)
}

/**
 * A dispatched event: `event` is `"message"` if it has no name, `id` is the last event id (`""` before the first).
 *
 * @since 0.1.0
 * @category models
 */
export interface SseEvent {
  readonly event: string
  readonly data: string
  readonly id: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Maximum size of one event in characters, its data and the line that is read; default {@link defaultMaxEventSize}, at most {@link largestSize}. */
  readonly maxEventSize?: number
}

/**
 * Decodes bytes to events synchronously. `push` returns the events that a chunk completes; `failure` is set if the
 * bytes are not UTF-8 or an event exceeds the limit, and decoding stops; `unfinished` is true while the last event is
 * incomplete, which the standard discards.
 *
 * @since 0.1.0
 * @category models
 */
export class Decoder {
  failure: InvalidUtf8 | InvalidEvent | undefined
  /** The values of valid `retry` fields, in milliseconds. They have no effect on decoding. */
  readonly retries: Array<number> = []
  readonly #utf8 = new Utf8.Decoder()
  readonly #parser: Parser
  readonly #maxEventSize: number
  #out: Array<SseEvent> = []

  constructor(options: Options = {}) {
    this.#maxEventSize = options.maxEventSize ?? defaultMaxEventSize
    this.#parser = new Parser(
      {
        event: (data, name, id) => {
          this.#out.push({ event: name === "" ? "message" : name, data, id })
        },
        retry: (millis) => {
          this.retries.push(millis)
        }
      },
      this.#maxEventSize
    )
  }

  push(chunk: Uint8Array): ReadonlyArray<SseEvent> {
    if (this.done) return []
    this.#parser.feed(this.#utf8.decode(chunk))
    if (this.#parser.tooLarge) this.failure = new InvalidEvent({ reason: "tooLarge", limit: this.#maxEventSize })
    else if (this.#utf8.invalidAt !== undefined) this.failure = new InvalidUtf8({ offset: this.#utf8.invalidAt })
    const events = this.#out
    this.#out = []
    return events
  }

  end(): ReadonlyArray<SseEvent> {
    return []
  }

  get done(): boolean {
    return this.failure !== undefined
  }

  get unfinished(): boolean {
    return this.#parser.unfinished || this.#utf8.unfinished
  }
}

/**
 * Decodes a stream of bytes to a stream of events, chunk by chunk.
 *
 * @since 0.1.0
 * @category combinators
 */
export const decode =
  (options?: Options) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<SseEvent, E | InvalidUtf8 | InvalidEvent, R> =>
    decodeWith(
      self,
      Effect.sync(() => new Decoder(options))
    )
