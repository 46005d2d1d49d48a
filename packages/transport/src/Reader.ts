/**
 * What takes in the body of a response: the decoder of a turn, the text of a document, the start of an error page.
 *
 * @since 0.1.0
 */

/**
 * Takes a body in, synchronously, where the bytes arrive. The `TurnDecoder` of `@effect-codex/stream` is one.
 *
 * - `push` takes bytes and `pushMessage` a text message of one event; both return the values that are complete then.
 * - `end` takes note that the body is over.
 * - `done` is set when nothing more is wanted: the value is whole, or `failure` says what is wrong with it.
 * - `progress` grows whenever something of value arrived. Keep-alives are not progress.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reader<out A, out E> {
  push(bytes: Uint8Array): ReadonlyArray<A>
  pushMessage(text: string): ReadonlyArray<A>
  end(): ReadonlyArray<A>
  readonly done: boolean
  readonly failure: E | undefined
  readonly progress: number
}

const nothing: ReadonlyArray<never> = []

/**
 * Reads a body as text, up to a bound in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export class TextReader implements Reader<never, never> {
  readonly failure = undefined
  /** Set when the body reached the bound; the text is cut there. */
  isFull = false
  progress = 0
  readonly #parts: Array<Uint8Array> = []
  #ended = false
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get done(): boolean {
    return this.isFull || this.#ended
  }

  get text(): string {
    const decoder = new TextDecoder()
    return this.#parts.map((part) => decoder.decode(part, { stream: true })).join("")
  }

  push(bytes: Uint8Array): ReadonlyArray<never> {
    this.#parts.push(bytes.subarray(0, this.#limit - this.progress))
    this.progress += bytes.length
    this.isFull = this.progress >= this.#limit
    return nothing
  }

  pushMessage(text: string): ReadonlyArray<never> {
    return this.push(new TextEncoder().encode(text))
  }

  end(): ReadonlyArray<never> {
    this.#ended = true
    return nothing
  }
}
