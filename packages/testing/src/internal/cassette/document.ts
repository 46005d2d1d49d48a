/**
 * A body that can be edited. The chunk boundaries stay at the same places.
 */
import { concat } from "../bytes.ts"

export interface Document {
  readonly text: string
  /** If it is not UTF-8, each byte is one character. */
  readonly encoding: "utf8" | "latin1"
  /** Where chunks end, in bytes. The last one is the length. */
  readonly bounds: ReadonlyArray<number>
}

/** A range of the text, and its replacement. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

export const decodeUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

const fromLatin1 = (bytes: Uint8Array): string => {
  let text = ""
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return text
}

export const encode = (text: string, encoding: Document["encoding"]): Uint8Array =>
  encoding === "utf8" ? encoder.encode(text) : Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff)

export const make = (chunks: ReadonlyArray<Uint8Array>): Document => {
  const bytes = concat(chunks)
  const text = decodeUtf8(bytes)
  let at = 0
  const bounds = chunks.map((chunk) => {
    at += chunk.length
    return at
  })
  return text === undefined
    ? { text: fromLatin1(bytes), encoding: "latin1", bounds }
    : { text, encoding: "utf8", bounds }
}

/** The bytes in their chunks. */
export const chunks = (document: Document): ReadonlyArray<Uint8Array> => {
  const bytes = encode(document.text, document.encoding)
  let start = 0
  return document.bounds.map((end) => {
    const chunk = bytes.subarray(start, end)
    start = end
    return chunk
  })
}

/** Edits must not overlap, and none is empty. A chunk boundary inside an edit keeps its distance from the start of the edit. */
export const edit = (document: Document, edits: ReadonlyArray<Edit>): Document => {
  if (edits.length === 0) return document
  const { encoding, text } = document
  const size = (part: string) => encode(part, encoding).length
  const bounds = [...document.bounds]
  let out = ""
  let from = 0
  let before = 0
  let after = 0
  let next = 0
  for (const change of [...edits].sort((a, b) => a.start - b.start)) {
    const kept = text.slice(from, change.start)
    const keptSize = size(kept)
    const oldSize = size(text.slice(change.start, change.end))
    const newSize = size(change.text)
    for (; next < bounds.length && (bounds[next] ?? 0) <= before + keptSize + oldSize; next++) {
      const into = (document.bounds[next] ?? 0) - before
      bounds[next] =
        after +
        (into <= keptSize
          ? into
          : into === keptSize + oldSize
            ? keptSize + newSize
            : keptSize + Math.min(into - keptSize, newSize))
    }
    out += kept + change.text
    before += keptSize + oldSize
    after += keptSize + newSize
    from = change.end
  }
  for (; next < bounds.length; next++) bounds[next] = after + ((document.bounds[next] ?? 0) - before)
  return { text: out + text.slice(from), encoding, bounds }
}
