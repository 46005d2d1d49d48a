/**
 * @since 0.1.0
 */
export * as AuthError from "./AuthError.ts"

/**
 * @since 0.1.0
 */
export * as Claims from "./Claims.ts"

/**
 * @since 0.1.0
 */
export * as CodexAuth from "./CodexAuth.ts"

/**
 * @since 0.1.0
 */
export * as Credentials from "./Credentials.ts"
