/**
 * Removes secrets from text that users and logs will see. Servers quote their input: an error message can contain part
 * of an encrypted content or a token.
 *
 * @since 0.1.0
 */

import * as Encoding from "effect/Encoding"

/**
 * Matches secrets by their format: JWTs, refresh tokens, encrypted content (also base64-encoded again), bearer values,
 * API keys.
 */
const secretLooking =
  /\beyJ[\w-]+(?:\.[\w-]*)*|\brt_[\w.-]+|\b(?:gAAAA|Z0FBQUF)[\w+/=-]*|\bsk-[\w-]{8,}|\b(Bearer)\s+[\w.~+/=-]+/g

const marker = "<redacted>"

/** Shorter secrets would match ordinary words. */
const minLength = 4

/** Marks truncated text. */
const ellipsis = "…"

/** The shortest part of a secret that is removed where another program truncated the text. */
const minPart = 8

/** Marks text truncated by another program. Only the first ones are examined. */
const truncationMark = /…|\.{3}/g
const maxTruncationMarks = 16

/** One character as escaped in URLs (also twice), JSON and HTML, or an invisible character. */
const escape =
  /%(?:25)*([0-9a-f]{2})|\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(["\\/]))|&(?:#(\d{1,3})|#x([0-9a-f]{1,2})|(amp|quot|apos|lt|gt));|\p{Cf}/giu

/** Also whitespace, such as the line breaks of a wrapped text. */
const escapeOrBlank = new RegExp(`${escape.source}|\\s|\\\\[nrt]`, escape.flags)

const named: Readonly<Record<string, string>> = { amp: "&", quot: '"', apos: "'", lt: "<", gt: ">" }

/** A text without escapes and in lower case; `start` maps a position in it to the original text. */
interface Canonical {
  readonly text: string
  readonly start: (n: number) => number
}

/** ASCII only: other letters can change their length. Forms encode a space as `+`. */
const folded = (text: string): string => text.replaceAll(/[A-Z]+/g, (part) => part.toLowerCase()).replaceAll("+", " ")

/** `isTight` removes all whitespace. */
const canonical = (text: string, isTight: boolean): Canonical => {
  const pieces: Array<string> = []
  /** By how much the original text is ahead, from a position on. */
  const shifts: Array<{ readonly from: number; readonly by: number }> = []
  let length = 0
  let end = 0
  for (const match of text.matchAll(isTight ? escapeOrBlank : escape)) {
    const [whole, percent, unit, byte, quoted, decimal, hexadecimal, name] = match
    const code = percent ?? unit ?? byte ?? hexadecimal
    const decoded =
      code !== undefined
        ? String.fromCharCode(Number.parseInt(code, 16))
        : decimal !== undefined
          ? String.fromCharCode(Number(decimal))
          : (quoted ?? named[name?.toLowerCase() ?? ""] ?? "")
    const character = isTight ? decoded.trim() : decoded
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

/** Two positions in a text. */
type Range = readonly [from: number, to: number]

const occurrences = (text: string, secret: string): ReadonlyArray<Range> => {
  const found: Array<Range> = []
  for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + secret.length)) {
    found.push([at, at + secret.length])
  }
  return found
}

/** The start of a secret, of at least this length, that ends here. */
const endingAt = (text: string, end: number, secret: string, least: number): ReadonlyArray<Range> => {
  if (secret.length < least) return []
  const head = secret.slice(0, least)
  const from = Math.max(0, end - secret.length)
  const window = text.slice(from, end)
  for (let at = window.indexOf(head); at !== -1; at = window.indexOf(head, at + 1)) {
    if (secret.startsWith(window.slice(at))) return [[from + at, end]]
  }
  return []
}

/** The end of a secret that starts here. */
const startingAt = (text: string, start: number, secret: string): ReadonlyArray<Range> => {
  const tail = secret.slice(-minPart)
  const window = text.slice(start, start + secret.length)
  for (let at = window.indexOf(tail); at !== -1; at = window.indexOf(tail, at + 1)) {
    if (secret.endsWith(window.slice(0, at + tail.length))) return [[start, start + at + tail.length]]
  }
  return []
}

/**
 * Where the original text contains secrets in any notation, and parts of truncated secrets; `isTight` ignores
 * whitespace.
 */
const locate = (text: string, secrets: ReadonlyArray<string>, isTight: boolean): ReadonlyArray<Range> => {
  if (secrets.length === 0) return []
  const { start, text: searched } = canonical(text, isTight)
  const marks = [...searched.matchAll(truncationMark)].slice(0, maxTruncationMarks)
  const ownCut = searched.length - ellipsis.length
  const size = searched.length
  const least = searched.endsWith(ellipsis) ? minLength : minPart
  const tighten = (part: string) => (isTight ? part.replaceAll(/\s/g, "") : part)
  const has = (edge: string) => searched.includes(folded(tighten(edge)))
  const found = secrets.flatMap((given) => {
    // megabytes of encrypted content are not read if the text has neither the beginning nor the end of one
    if (!has(given.slice(0, least)) && (marks.length === 0 || !has(given.slice(-minPart)))) return []
    const secret = tighten(given)
    if (isTight && secret.length <= minPart) return []
    // only a part of a longer secret can be in the text
    const head = folded(secret.slice(0, size))
    const tail = secret.length > size ? folded(secret.slice(-size)) : head
    const found = secret.length > size ? [] : [...occurrences(searched, head)]
    if (searched.endsWith(ellipsis)) found.push(...endingAt(searched, ownCut, head, minLength))
    if (secret.length <= minPart) return found
    for (const { 0: mark, index } of marks) {
      found.push(...endingAt(searched, index, head, minPart), ...startingAt(searched, index + mark.length, tail))
    }
    found.push(...endingAt(searched, size, head, minPart))
    return found
  })
  return found.map(([from, to]) => {
    const end = start(to)
    // Whitespace after the secret is not part of it.
    return [start(from), isTight ? text.slice(0, end).trimEnd().length : end]
  })
}

const without = (text: string, secrets: ReadonlyArray<string>): string => {
  const ranges = [...locate(text, secrets, false), ...locate(text, secrets, true)]
  let rest = ""
  let end = 0
  let last = -1
  for (const [from, to] of ranges.sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    if (to <= last) continue
    if (from >= last) rest += text.slice(end, from) + marker
    end = to
    last = to
  }
  return rest + text.slice(end)
}

/** Terminal escape sequences, control characters except line breaks and tabs, and bidirectional control marks. */
const invisible = new RegExp(
  String.raw`${String.fromCharCode(27)}\[[0-?]*[ -/]*[@-~]|(?![\n\t])[\p{Cc}\p{Bidi_Control}]`,
  "gu"
)

/**
 * Removes escape sequences, control characters except line breaks and tabs, and bidirectional control marks, which could
 * change what a terminal shows.
 *
 * @since 0.1.0
 * @category combinators
 */
export const visible = (text: string): string => text.replaceAll("\r\n", "\n").replaceAll(invisible, "")

/** The base64 characters that depend only on the secret if this many bytes precede it. */
const base64At = (secret: string, before: number): string => {
  const text = Encoding.encodeBase64(" ".repeat(before) + secret)
  const end = text.replace(/=+$/, "").length
  return text.slice(Math.ceil((before * 4) / 3), end - (text.endsWith("=") ? 1 : 0))
}

/**
 * A secret in the encodings in which a server may quote it: plain, JSON, base64 (also between other bytes) and hex.
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
 * Removes anything that looks like a secret, the given literal `secrets`, and control characters except line breaks and
 * tabs, and truncates the text to `limit` characters.
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
  // Redact before truncating, which could leave part of a secret.
  const rest = without(
    visible(text),
    (options.secrets ?? []).filter((secret) => secret.length >= minLength)
  )
  const cut = rest.length > limit ? `${rest.slice(0, limit)}${ellipsis}` : rest
  return cut.replaceAll(secretLooking, (_, bearer: string | undefined) =>
    bearer === undefined ? marker : `${bearer} ${marker}`
  )
}
