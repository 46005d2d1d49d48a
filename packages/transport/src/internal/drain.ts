/**
 * What is left of a body behind the end of its turn is read and thrown away, so that the connection can be used again.
 * Closing it at once would cost the next request a new connection, TLS included.
 */
export class Drain {
  /** When it is given up, in milliseconds since 1970. */
  readonly until: number
  #bytes = 0

  constructor(now: number) {
    this.until = now + limit.millis
  }

  /** Throws bytes away; tells whether there were too many. */
  discard(bytes: number): boolean {
    this.#bytes += bytes
    return this.#bytes > limit.bytes
  }
}

const limit = { millis: 1000, bytes: 65_536 }
