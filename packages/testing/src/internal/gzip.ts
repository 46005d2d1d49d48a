/**
 * gzip without compression: every part becomes separate stored blocks (RFC 1951 3.2.4), so that a decoder can read it
 * immediately. The platform's `CompressionStream` cannot flush, which an event stream needs.
 */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

const checksum = (bytes: Uint8Array, seed: number): number => {
  let value = ~seed
  for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return ~value >>> 0
}

const maxBlock = 0xffff

const block = (bytes: Uint8Array, last: boolean): Uint8Array => {
  const out = new Uint8Array(5 + bytes.length)
  const view = new DataView(out.buffer)
  view.setUint8(0, last ? 1 : 0)
  view.setUint16(1, bytes.length, true)
  view.setUint16(3, ~bytes.length & 0xffff, true)
  out.set(bytes, 5)
  return out
}

export const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff)

/** Creates an encoder: feed it parts, then close it. */
export const make = () => {
  let crc = 0
  let size = 0
  return {
    *encode(bytes: Uint8Array): Generator<Uint8Array> {
      crc = checksum(bytes, crc)
      size += bytes.length
      for (let i = 0; i < bytes.length; i += maxBlock) yield block(bytes.subarray(i, i + maxBlock), false)
    },
    trailer(): Uint8Array {
      const out = new Uint8Array(13)
      out.set(block(new Uint8Array(0), true))
      const view = new DataView(out.buffer)
      view.setUint32(5, crc, true)
      view.setUint32(9, size >>> 0, true)
      return out
    }
  }
}
