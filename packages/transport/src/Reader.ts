/**
 * Consumers of response bodies: turn decoders, JSON documents, error bodies.
 *
 * @since 0.1.0
 */

/**
 * Consumes a body synchronously as it arrives. `TurnDecoder` of `@effect-codex/stream` implements it.
 *
 * - `push` takes bytes and `pushMessage` a text message of one event; both return the completed values.
 * - `end` signals the end of the body.
 * - `done` is true when no more input is needed: the value is complete, or `failure` is set.
 * - `progress` increases with meaningful input. Keep-alives are not progress.
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
 * Reads a body as text, up to a limit in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export class TextReader implements Reader<never, never> {
  readonly failure = undefined
  /** True if the body reached the limit; the text is truncated. */
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
