/** Detects bodies that are not an event stream, independent of the content type. */
import { isPage } from "@effect-codex/schema/ErrorStatement"
import type { Reader } from "../Reader.ts"

/** The maximum number of buffered bytes. */
const limit = 65_536

/** Forwards everything, and buffers the start of the body until the first progress. */
export class BeginningReader<A, E> implements Reader<A, E> {
  readonly #reader: Reader<A, E>
  #parts: Array<Uint8Array> = []
  #length = 0

  constructor(reader: Reader<A, E>) {
    this.#reader = reader
  }

  get done(): boolean {
    return this.#reader.done
  }

  get failure(): E | undefined {
    return this.#reader.failure
  }

  get progress(): number {
    return this.#reader.progress
  }

  push(bytes: Uint8Array): ReadonlyArray<A> {
    const values = this.#reader.push(bytes)
    if (this.#reader.progress === 0) this.#remember(bytes)
    else if (this.#length > 0) this.#forget()
    return values
  }

  pushMessage(text: string): ReadonlyArray<A> {
    return this.#reader.pushMessage(text)
  }

  end(): ReadonlyArray<A> {
    return this.#reader.end()
  }

  /**
   * The text of a body that is not an event stream; `undefined` if there were events, only comments, or nothing. A line
   * of a page can look like a field.
   */
  get otherText(): string | undefined {
    const decoder = new TextDecoder()
    const text = this.#parts.map((part) => decoder.decode(part, { stream: true })).join("")
    const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "" && !line.startsWith(":"))
    return lines.length === 0 || (!isPage(text) && lines.some((line) => field.test(line))) ? undefined : text
  }

  #remember(bytes: Uint8Array): void {
    if (this.#length >= limit) return
    this.#parts.push(bytes.slice(0, limit - this.#length))
    this.#length += bytes.length
  }

  #forget(): void {
    this.#parts = []
    this.#length = 0
  }
}

/** The fields of server-sent events. */
const field = /^\uFEFF?(?:data|event|id|retry)(?::|$)/
