/**
 * Keeps secrets out of texts that people and logs will see. Servers quote what they were sent: an error message can
 * hold a piece of encrypted content or a token.
 *
 * @since 0.1.0
 */

import * as Encoding from "effect/Encoding"

/** Tokens by their look: JWTs, refresh tokens, encrypted content (also in base64 once more), bearer values, API keys. */
const secretLooking =
  /\beyJ[\w-]+(?:\.[\w-]*)*|\brt_[\w.-]+|\b(?:gAAAA|Z0FBQUF)[\w+/=-]*|\bsk-[\w-]{8,}|\b(Bearer)\s+[\w.~+/=-]+/g

const marker = "<redacted>"

/** Shorter secrets are words that stand in any text. */
const minLength = 4

/** What a text that was cut ends with. */
const ellipsis = "…"

/** The least of a secret that is told from a word where somebody else has cut it. */
const minHalf = 8

/** Where somebody else has cut a text. Only so many are looked at. */
const cutMark = /…|\.{3}/g
const maxCutMarks = 16

/** One character, as it is written in URLs, JSON and HTML, or none that can be seen. */
const escape =
  /%([0-9a-f]{2})|\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(["\\/]))|&(?:#(\d{1,3})|#x([0-9a-f]{1,2})|(amp|quot|apos|lt|gt));|\p{Cf}/giu

const named: Readonly<Record<string, string>> = { amp: "&", quot: '"', apos: "'", lt: "<", gt: ">" }

/** A text in which a secret is found however it is written; `start` is where its nth character stands in the text itself. */
interface Canonical {
  readonly text: string
  readonly start: (n: number) => number
}

/** Only ASCII, as others change their length. A blank is a `+` in forms. */
const folded = (text: string): string => text.replaceAll(/[A-Z]+/g, (part) => part.toLowerCase()).replaceAll("+", " ")

const canonical = (text: string): Canonical => {
  const pieces: Array<string> = []
  /** What each character of the result is ahead by, from a place on. */
  const shifts: Array<{ readonly from: number; readonly by: number }> = []
  let length = 0
  let end = 0
  for (const match of text.matchAll(escape)) {
    const [whole, percent, unit, byte, quoted, decimal, hexadecimal, name] = match
    const code = percent ?? unit ?? byte ?? hexadecimal
    const character =
      code !== undefined
        ? String.fromCharCode(Number.parseInt(code, 16))
        : decimal !== undefined
          ? String.fromCharCode(Number(decimal))
          : (quoted ?? named[name?.toLowerCase() ?? ""] ?? "")
    const before = text.slice(end, match.index)
    pieces.push(before, character)
    length += before.length + character.length
    end = match.index + whole.length
    shifts.push({ from: length, by: end - length })
  }
  pieces.push(text.slice(end))
  return {
    text: folded(pieces.join("")),
    start: (n) => {
      let [low, high] = [0, shifts.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if ((shifts[middle]?.from ?? 0) <= n) low = middle + 1
        else high = middle
      }
      return n + (shifts[low - 1]?.by ?? 0)
    }
  }
}

/** From where to where, in the canonical text. */
type Range = readonly [from: number, to: number]

const wholes = (text: string, secret: string): ReadonlyArray<Range> => {
  const found: Array<Range> = []
  for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + secret.length)) {
    found.push([at, at + secret.length])
  }
  return found
}

/** The beginning of a secret that ends here, when it is at least so long. */
const halfBefore = (text: string, end: number, secret: string, least: number): ReadonlyArray<Range> => {
  const head = secret.slice(0, least)
  const from = Math.max(0, end - secret.length)
  const window = text.slice(from, end)
  for (let at = window.indexOf(head); at !== -1; at = window.indexOf(head, at + 1)) {
    if (secret.startsWith(window.slice(at))) return [[from + at, end]]
  }
  return []
}

/** The end of a secret that begins here. */
const halfAfter = (text: string, start: number, secret: string): ReadonlyArray<Range> => {
  const tail = secret.slice(-minHalf)
  const window = text.slice(start, start + secret.length)
  for (let at = window.indexOf(tail); at !== -1; at = window.indexOf(tail, at + 1)) {
    if (secret.endsWith(window.slice(0, at + tail.length))) return [[start, start + at + tail.length]]
  }
  return []
}

/** The text without the secrets, however they are written, and without the halves of those that were cut. */
const without = (text: string, secrets: ReadonlyArray<string>): string => {
  if (secrets.length === 0) return text
  const { start, text: searched } = canonical(text)
  const marks = [...searched.matchAll(cutMark)].slice(0, maxCutMarks)
  const ownCut = searched.length - ellipsis.length
  const size = searched.length
  const ranges = secrets.flatMap((secret) => {
    // of a longer secret there is a half at the most
    const head = folded(secret.slice(0, size))
    const tail = secret.length > size ? folded(secret.slice(-size)) : head
    const found = secret.length > size ? [] : [...wholes(searched, head)]
    if (searched.endsWith(ellipsis)) found.push(...halfBefore(searched, ownCut, head, minLength))
    if (secret.length <= minHalf) return found
    for (const { 0: mark, index } of marks) {
      found.push(...halfBefore(searched, index, head, minHalf), ...halfAfter(searched, index + mark.length, tail))
    }
    found.push(...halfBefore(searched, size, head, minHalf))
    return found
  })
  let rest = ""
  let end = 0
  let last = -1
  for (const [from, to] of ranges.sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    if (to <= last) continue
    if (from >= last) rest += text.slice(end, start(from)) + marker
    end = start(to)
    last = to
  }
  return rest + text.slice(end)
}

/** Escape sequences of terminals, control characters but line breaks and tabs, and marks that turn the direction of a text. */
const invisible = new RegExp(
  String.raw`${String.fromCharCode(27)}\[[0-?]*[ -/]*[@-~]|(?![\n\t])[\p{Cc}\p{Bidi_Control}]`,
  "gu"
)

/** The characters of a base64 text that a secret decides alone, when so many bytes stand before it. */
const base64At = (secret: string, before: number): string => {
  const text = Encoding.encodeBase64(" ".repeat(before) + secret)
  const end = text.replace(/=+$/, "").length
  return text.slice(Math.ceil((before * 4) / 3), end - (text.endsWith("=") ? 1 : 0))
}

/**
 * A secret in the encodings a text may hold it in besides its own characters: JSON, base64, also amid other bytes, and hex.
 *
 * @since 0.1.0
 * @category combinators
 */
export const forms = (secret: string): ReadonlyArray<string> => {
  const encoded = [0, 1, 2].map((before) => base64At(secret, before))
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    ...new Set(encoded.flatMap((text) => [text, text.replaceAll("+", "-").replaceAll("/", "_")])),
    Encoding.encodeHex(secret)
  ]
}

/**
 * The text without what looks like a secret, without the literal `secrets` given, without control characters, and cut
 * after `limit` characters. Line breaks and tabs stay.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Redaction } from "@effect-codex/schema"
 *
 * Redaction.scrub("The encrypted content gAAAAABk12 could not be verified.")
 * // "The encrypted content <redacted> could not be verified."
 * ```
 */
export const scrub = (
  text: string,
  options: { readonly secrets?: ReadonlyArray<string>; readonly limit?: number } = {}
): string => {
  const limit = options.limit ?? 2000
  const visible = text.replaceAll("\r\n", "\n").replaceAll(invisible, "")
  // before the text is cut, which could leave half a secret
  const rest = without(
    visible,
    (options.secrets ?? []).filter((secret) => secret.length >= minLength)
  )
  const cut = rest.length > limit ? `${rest.slice(0, limit)}${ellipsis}` : rest
  return cut.replaceAll(secretLooking, (_, bearer: string | undefined) =>
    bearer === undefined ? marker : `${bearer} ${marker}`
  )
}
