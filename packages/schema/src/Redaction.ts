/**
 * Keeps secrets out of texts that people and logs will see. Servers quote what they were sent: an error message can
 * hold a piece of encrypted content or a token.
 *
 * @since 0.1.0
 */

/** Tokens by their look: JWTs, refresh tokens, encrypted content (also in base64 once more), bearer values, API keys. */
const secretLooking =
  /\beyJ[\w-]+(?:\.[\w-]*)*|\brt_[\w.-]+|\b(?:gAAAA|Z0FBQUF)[\w+/=-]*|\bsk-[\w-]{8,}|\b(Bearer)\s+[\w.~+/=-]+/g

const marker = "<redacted>"

/** Shorter secrets are words that stand in any text. */
const minLength = 4

/** What a text that was cut ends with. */
const ellipsis = "…"

/** Where a text that was cut before ends in the beginning of a secret, without that. */
const withoutHalf = (text: string, secrets: ReadonlyArray<string>): string => {
  if (!text.endsWith(ellipsis)) return text
  const end = text.length - ellipsis.length
  const longest = secrets.reduce((longest, { length }) => Math.max(longest, length), 0)
  for (let start = Math.max(0, end - longest); start <= end - minLength; start++) {
    const half = text.slice(start, end)
    if (secrets.some((secret) => secret.startsWith(half))) return `${text.slice(0, start)}${marker}${ellipsis}`
  }
  return text
}

/** Escape sequences of terminals, control characters but line breaks and tabs, and marks that turn the direction of a text. */
const invisible = new RegExp(
  String.raw`${String.fromCharCode(27)}\[[0-?]*[ -/]*[@-~]|(?![\n\t])[\p{Cc}\p{Bidi_Control}]`,
  "gu"
)

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
  // a secret can be a part of another one
  const secrets = (options.secrets ?? [])
    .filter((secret) => secret.length >= minLength)
    .sort((a, b) => b.length - a.length)
  const rest = withoutHalf(
    secrets.reduce((rest, secret) => rest.replaceAll(secret, marker), visible),
    secrets
  )
  const cut = rest.length > limit ? `${rest.slice(0, limit)}${ellipsis}` : rest
  return cut.replaceAll(secretLooking, (_, bearer: string | undefined) =>
    bearer === undefined ? marker : `${bearer} ${marker}`
  )
}
