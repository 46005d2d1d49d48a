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
   * Replaces the text with a later full text. A blank text never replaces an existing one. `added` is what to emit: the
   * rest of the full text, all of it if only blanks came before, or nothing if that would repeat text.
   */
  settle(full: string): { readonly added: string; readonly agrees: boolean } {
    const length = this.length
    if (length > 0 && isBlank(full)) return { added: "", agrees: true }
    const current = full.length < length ? undefined : this.value
    const onlyBlanks = isBlank(current ?? this.value)
    this.#whole = full
    this.#tail = ""
    if (current !== undefined && full.startsWith(current)) return { added: full.slice(length), agrees: true }
    return { added: onlyBlanks ? full : "", agrees: false }
  }
}
