/**
 * Reads and discards the rest of a body after the end of its turn, so that the connection can be reused. Closing it at
 * once would cost the next request a new connection, including TLS.
 */
export class Drain {
  /** The deadline, in milliseconds since 1970. */
  readonly until: number
  #bytes = 0

  constructor(now: number) {
    this.until = now + limit.millis
  }

  /** Discards bytes; returns whether there were too many. */
  discard(bytes: number): boolean {
    this.#bytes += bytes
    return this.#bytes > limit.bytes
  }
}

const limit = { millis: 1000, bytes: 65_536 }
