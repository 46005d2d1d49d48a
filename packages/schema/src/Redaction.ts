/**
 * Keeps secrets out of texts that people and logs will see. Servers quote what they were sent: an error message can
 * hold a piece of encrypted content or a token.
 *
 * @since 0.1.0
 */

/** Tokens by their look: JWTs, refresh tokens, encrypted content, bearer values, API keys. */
const secretLooking = /\beyJ[\w-]+(?:\.[\w-]*)*|\brt_[\w.-]+|\bgAAAA[\w=-]*|\bsk-[\w-]{8,}|\b(Bearer)\s+[\w.~+/=-]+/g

const marker = "<redacted>"

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
  const rest = (options.secrets ?? [])
    .filter((secret) => secret.length >= 4)
    .reduce((rest, secret) => rest.replaceAll(secret, marker), visible)
  const cut = rest.length > limit ? `${rest.slice(0, limit)}…` : rest
  return cut.replaceAll(secretLooking, (_, bearer: string | undefined) =>
    bearer === undefined ? marker : `${bearer} ${marker}`
  )
}
