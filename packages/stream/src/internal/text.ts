import { isBlank } from "./values.ts"

const pageLength = 4096

/** A text that grows by small pieces. */
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

  /** Returns the text and starts over with none. */
  take(): string {
    const text = this.value
    this.#whole = ""
    this.#tail = ""
    return text
  }

  /**
   * Takes over a later full text and returns what it adds. A blank text never replaces one that is there. Where the full
   * text does not begin with what is there, it counts all the same and `undefined` is returned: nothing can be shown of
   * it without repeating words.
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
