/**
 * The tokens of one ChatGPT login, as a store keeps them.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"

/**
 * A login at rest. Only the access token is certain: every other field may be missing in files of other programs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Login {
  readonly accessToken: Redacted.Redacted
  /** Single use: every refresh answers with the next one. */
  readonly refreshToken?: Redacted.Redacted
  readonly idToken?: Redacted.Redacted
  readonly accountId?: Redacted.Redacted
  /** When the tokens were obtained, Unix time in milliseconds. */
  readonly lastRefresh?: number
  /** When the access token ends if it does not say so itself, Unix time in milliseconds. */
  readonly expiresAt?: number
}
