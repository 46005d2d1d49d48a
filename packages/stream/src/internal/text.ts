import { isBlank } from "./values.ts"

const pageLength = 4096

/** A string builder for many small deltas. */
export class Text {
  #whole = ""
  #tail = ""

  append(piece: string): void {
    this.#tail += piece
    if (this.#tail.length < pageLength) return
    // reading a character flattens the rope; ropes use several times the memory of their text
    this.#tail.charCodeAt(0)
    this.#whole += this.#tail
    this.#tail = ""
  }

  get value(): string {
    return this.#whole + this.#tail
  }

  get length(): number {
    return this.#whole.length + this.#tail.length
  }

  /** Returns the text and resets the builder. */
  take(): string {
    const text = this.value
    this.#whole = ""
    this.#tail = ""
    return text
  }

  /**
   * Replaces the text with a later full text and returns the added suffix. A blank text never replaces an existing one.
   * If the full text does not start with the current text, it still replaces it and `undefined` is returned, because no
   * suffix can be emitted without repeating text.
   */
  settle(full: string): string | undefined {
    const length = this.length
    if (length > 0 && (full.length === 0 || isBlank(full))) return ""
    const current = full.length < length ? undefined : this.value
    this.#whole = full
    this.#tail = ""
    if (full.length === length) return full === current ? "" : undefined
    return current === undefined || !full.startsWith(current) ? undefined : full.slice(length)
  }
}
