/**
 * The encodings of a value in a text: plain, escaped in JSON, in a URL, base64, hex.
 */

import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

const encoder = new TextEncoder()

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/** base64 without padding. */
const base64 = (bytes: Uint8Array): string => {
  let out = ""
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3)
    const group = (a << 16) | (b << 8) | c
    const digits = Math.min(4, bytes.length - i + 1)
    for (let n = 0; n < digits; n++) out += base64Alphabet[(group >> (18 - 6 * n)) & 63]
  }
  return out
}

/** The base64 digits that depend only on the value, for each of its three possible positions in a group. */
const base64Cores = (bytes: Uint8Array): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((offset) => {
    const shifted = new Uint8Array(offset + bytes.length)
    shifted.set(bytes, offset)
    const digits = base64(shifted)
    const start = [0, 2, 3][offset] ?? 0
    const whole = Math.floor(((offset + bytes.length) * 8) / 6)
    const core = digits.slice(start, whole)
    return core.length < 6 ? [] : [core]
  })

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

const escaped = (text: string): string =>
  Array.from({ length: text.length }, (_, n) => `\\u${text.charCodeAt(n).toString(16).padStart(4, "0")}`).join("")

const percent = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")

export interface Forms {
  readonly exact: ReadonlyArray<string>
  /** In lower case, to compare it with a text in lower case. */
  readonly anyCase: ReadonlyArray<string>
  /** The base64 digits of the value, without the digits shared with the neighbouring characters. */
  readonly base64: ReadonlyArray<string>
}

/** All forms of a value, the value itself first. */
export const of = (value: string): Forms => {
  const bytes = encoder.encode(value)
  const cores = base64Cores(bytes)
  return {
    exact: [
      ...new Set([value, JSON.stringify(value).slice(1, -1), encodeURIComponent(new TextDecoder().decode(bytes))])
    ],
    anyCase: [...new Set([hex(bytes), escaped(value), percent(bytes)])].map((form) => form.toLowerCase()),
    base64: [...new Set([...cores, ...cores.map((core) => core.replaceAll("+", "-").replaceAll("/", "_"))])]
  }
}

// decoding -----------------------------------------------------------------------------------------------------------

const isReadable = (text: string): boolean => /^[\t\n\r\x20-\x7e\u00a0-\ufffc]+$/.test(text)

const decoded = (result: Either.Either<string, unknown>): ReadonlyArray<string> =>
  Either.match(result, { onLeft: () => [], onRight: (text) => (isReadable(text) ? [text] : []) })

const runs = (text: string, pattern: RegExp): ReadonlyArray<string> =>
  Array.from(text.matchAll(pattern), ([run]) => run)

/** A run of base64 that decodes to readable text. */
export interface Base64Run {
  readonly start: number
  readonly end: number
  readonly decoded: string
  /** Encodes another text in the same alphabet. */
  readonly encode: (text: string) => string
}

/** The runs of a text that are base64 of readable text only. */
export const base64Runs = (text: string): ReadonlyArray<Base64Run> =>
  Array.from(text.matchAll(/[\w+/-]{12,65536}={0,2}/g)).flatMap((match) => {
    const [run] = match
    const isUrl = /[-_]/.test(run)
    const digits = run.replace(/=+$/, "")
    const standard = digits.replaceAll("-", "+").replaceAll("_", "/")
    return decoded(Encoding.decodeBase64String(standard.padEnd(Math.ceil(standard.length / 4) * 4, "="))).map(
      (decoded) => ({
        start: match.index,
        end: match.index + run.length,
        decoded,
        encode: (text: string) =>
          isUrl || (run === digits && digits.length % 4 !== 0)
            ? Encoding.encodeBase64Url(text)
            : Encoding.encodeBase64(text)
      })
    )
  })

/** The decoded runs of readable base64 in a text. */
export const base64Decodings = (text: string): ReadonlyArray<string> =>
  runs(text, /[\w+/-]{12,65536}/g).flatMap((run) => {
    // a word can stand directly before the base64, so later starts are tried too
    const standard = run.replaceAll("-", "+").replaceAll("_", "/")
    return [0, 1, 2, 3].flatMap((skip) => {
      const digits = standard.slice(skip)
      const whole = digits.slice(0, digits.length - (digits.length % 4 === 1 ? 1 : 0))
      return decoded(Encoding.decodeBase64String(whole.padEnd(Math.ceil(whole.length / 4) * 4, "=")))
    })
  })

/** base64 with line breaks, as in mail. */
const wrapped = /(?:[\w+/-]{16,}(?:\r?\n|\\r\\n|\\n)[ \t]*)+[\w+/-]+={0,2}/g

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  commat: "@",
  period: ".",
  lowbar: "_",
  quot: '"',
  lt: "<",
  gt: ">"
}

/** The texts that one step of decoding finds in a text. */
export const decodings = (text: string): ReadonlyArray<string> => [
  ...base64Decodings(text),
  // UTF-16 is read as UTF-8
  ...(text.includes("\0") ? [text.replaceAll("\0", "")] : []),
  ...runs(text, wrapped).flatMap((run) => base64Decodings(run.replace(/\s|\\[rn]/g, ""))),
  ...(/&(?:#\w+|\w+);/.test(text) ? [text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, unescapeEntity)] : []),
  ...runs(text, /(?:[0-9a-f]{2}){6,32768}/gi).flatMap((run) => decoded(Encoding.decodeHexString(run.toLowerCase()))),
  ...(/%[0-9a-f]{2}/i.test(text) ? [text.replace(/(?:%[0-9a-f]{2})+/gi, unpercent)] : []),
  ...(text.includes("\\u")
    ? [text.replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))]
    : [])
]

const unpercent = (run: string): string => {
  try {
    return decodeURIComponent(run)
  } catch {
    return run
  }
}

const unescapeEntity = (entity: string, decimal?: string, hex?: string, name?: string): string => {
  const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? Number.parseInt(hex, 16) : undefined
  if (code !== undefined) return code <= 0x10ffff ? String.fromCodePoint(code) : entity
  return entities[name ?? ""] ?? entity
}
