const pieceLength = 4096

/** A text that grows by small pieces. */
export class Text {
  #whole = ""
  #tail = ""

  append(piece: string): void {
    this.#tail += piece
    if (this.#tail.length < pieceLength) return
    // reading a character makes one string of the pieces, which else weigh several times what they say
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

  /** Gives the text and begins anew. */
  take(): string {
    const text = this.value
    this.#whole = ""
    this.#tail = ""
    return text
  }

  /**
   * Grows to `full` and tells what is new. When `full` does not begin with what is there, nothing can be shown without
   * doubling a word; the full text still counts, and the difference is reported.
   */
  settle(full: string): { readonly added: string; readonly agrees: boolean } {
    const current = this.value
    this.#whole = full
    this.#tail = ""
    return full === current
      ? { added: "", agrees: true }
      : full.startsWith(current)
        ? { added: full.slice(current.length), agrees: true }
        : { added: "", agrees: false }
  }
}
