/**
 * Removes secrets from text that users and logs will see. Servers quote their input: an error message can contain part
 * of an encrypted content or a token.
 *
 * @since 0.1.0
 */

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

/** Truncated text can end with the start of a secret; removes that. */
const withoutPartialSecret = (text: string, secrets: ReadonlyArray<string>): string => {
  if (!text.endsWith(ellipsis)) return text
  const end = text.length - ellipsis.length
  const longest = secrets.reduce((longest, { length }) => Math.max(longest, length), 0)
  for (let start = Math.max(0, end - longest); start <= end - minLength; start++) {
    const prefix = text.slice(start, end)
    if (secrets.some((secret) => secret.startsWith(prefix))) return `${text.slice(0, start)}${marker}${ellipsis}`
  }
  return text
}

/** Terminal escape sequences, control characters except line breaks and tabs, and bidirectional control marks. */
const invisible = new RegExp(
  String.raw`${String.fromCharCode(27)}\[[0-?]*[ -/]*[@-~]|(?![\n\t])[\p{Cc}\p{Bidi_Control}]`,
  "gu"
)

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
  const visible = text.replaceAll("\r\n", "\n").replaceAll(invisible, "")
  // Redact before truncating, which could leave part of a secret. Longer secrets first: one can contain another.
  const secrets = (options.secrets ?? [])
    .filter((secret) => secret.length >= minLength)
    .sort((a, b) => b.length - a.length)
  const rest = withoutPartialSecret(
    secrets.reduce((rest, secret) => rest.replaceAll(secret, marker), visible),
    secrets
  )
  const cut = rest.length > limit ? `${rest.slice(0, limit)}${ellipsis}` : rest
  return cut.replaceAll(secretLooking, (_, bearer: string | undefined) =>
    bearer === undefined ? marker : `${bearer} ${marker}`
  )
}
