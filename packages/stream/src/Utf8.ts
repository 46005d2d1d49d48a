/**
 * A strict, incremental UTF-8 decoder that reports the exact offset of the first invalid byte.
 *
 * @since 0.1.0
 */

const empty = new Uint8Array(0)
const options = { fatal: true, ignoreBOM: true } as const

/** Without `stream`, it keeps no state between calls. */
const ascii = new TextDecoder("utf-8", options)

/** The length of a sequence by its lead byte; 0 for an invalid lead byte (Unicode, table 3-7). */
const sizeOf = (lead: number): number =>
  lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0

/** Whether a byte is a valid second byte; later bytes only need to be continuation bytes. */
const isSecond = (lead: number, byte: number): boolean =>
  byte >= (lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80) &&
  byte <= (lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf)

/** The offset of an unfinished last sequence that can still become well-formed; otherwise `bytes.length`. */
const completeEnd = (bytes: Uint8Array): number => {
  const length = bytes.length
  for (let back = 1; back <= 3 && back <= length; back++) {
    const lead = bytes[length - back] as number
    if (lead < 0x80) return length
    if (lead < 0xc0) continue
    const canGoOn = back < sizeOf(lead) && (back === 1 || isSecond(lead, bytes[length - back + 1] as number))
    return canGoOn ? length - back : length
  }
  return length
}

/** The length of the well-formed sequence at `at`; 0 if there is none. */
const sequenceLength = (bytes: Uint8Array, at: number): number => {
  const lead = bytes[at] as number
  const size = sizeOf(lead)
  if (size <= 1) return size
  if (at + size > bytes.length || !isSecond(lead, bytes[at + 1] as number)) return 0
  for (let i = 2; i < size; i++) if (((bytes[at + i] as number) & 0xc0) !== 0x80) return 0
  return size
}

/** Below this size, call overhead dominates. */
const smallPiece = 512

/** The sampling interval, in bytes. */
const sampleDistance = 64

/**
 * Estimates whether a chunk starts with enough ASCII for the decoder that is fast up to the first non-ASCII character.
 */
const beginsInAscii = (bytes: Uint8Array): boolean => {
  if (bytes.length < smallPiece) return true
  const half = bytes.length >> 1
  for (let at = 0; at < half; at += sampleDistance) if ((bytes[at] as number) >= 0x80) return false
  return true
}

const firstInvalid = (bytes: Uint8Array): number => {
  let at = 0
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at)
    if (length === 0) return at
    at += length
  }
  return at
}

/**
 * Decodes one byte stream. A character split across chunks is emitted with its last byte; a leading byte order mark is
 * removed. `invalidAt` is the offset of the first invalid sequence, in bytes from the start of the stream. Once it is
 * set, the text before it has been returned and the decoder must not be used again.
 *
 * @since 0.1.0
 * @category models
 */
export class Decoder {
  invalidAt: number | undefined
  // Node has two decoders: `ascii` is faster for small chunks and up to the first non-ASCII character, this one is
  // faster after that
  #wide: TextDecoder | undefined
  #held: Uint8Array = empty
  #offset = 0
  #started = false

  decode(chunk: Uint8Array): string {
    let bytes = chunk
    if (this.#held.length > 0) {
      bytes = new Uint8Array(this.#held.length + chunk.length)
      bytes.set(this.#held)
      bytes.set(chunk, this.#held.length)
    }
    const end = completeEnd(bytes)
    this.#held = end === bytes.length ? empty : bytes.slice(end)
    const text = this.#strict(end === bytes.length ? bytes : bytes.subarray(0, end))
    this.#offset += end
    if (this.#started || text === "") return text
    this.#started = true
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }

  /** Whether the input ends within a character. */
  get unfinished(): boolean {
    return this.#held.length > 0
  }

  #strict(bytes: Uint8Array): string {
    try {
      return beginsInAscii(bytes) ? ascii.decode(bytes) : this.#decodeWide(bytes)
    } catch {
      const at = firstInvalid(bytes)
      this.invalidAt = this.#offset + at
      return ascii.decode(bytes.subarray(0, at))
    }
  }

  #decodeWide(bytes: Uint8Array): string {
    if (this.#wide === undefined) {
      this.#wide = new TextDecoder("utf-8", options)
      // after one streaming call, the instance keeps using the other decoder
      this.#wide.decode(empty, { stream: true })
    }
    return this.#wide.decode(bytes)
  }
}
