/**
 * The tokens of a ChatGPT login in a store.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"

/**
 * A stored login. Only the access token is required: other fields may be missing in files of other programs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Login {
  readonly accessToken: Redacted.Redacted
  /** Can be used once: every refresh returns the next one. */
  readonly refreshToken?: Redacted.Redacted
  readonly idToken?: Redacted.Redacted
  readonly accountId?: Redacted.Redacted
  /** When the tokens were obtained, Unix time in milliseconds. */
  readonly lastRefresh?: number
  /** The expiry of an access token without an expiry claim, Unix time in milliseconds. */
  readonly expiresAt?: number
}
