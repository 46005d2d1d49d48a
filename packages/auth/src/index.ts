/**
 * @since 0.1.0
 */
export * as AuthError from "./AuthError.ts"

/**
 * @since 0.1.0
 */
export * as AuthFile from "./AuthFile.ts"

/**
 * @since 0.1.0
 */
export * as AuthStore from "./AuthStore.ts"

/**
 * @since 0.1.0
 */
export * as BoundRequest from "./BoundRequest.ts"

/**
 * @since 0.1.0
 */
export * as BrowserLogin from "./BrowserLogin.ts"

/**
 * @since 0.1.0
 */
export * as CallbackServer from "./CallbackServer.ts"

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

/**
 * @since 0.1.0
 */
export * as DeviceLogin from "./DeviceLogin.ts"

/**
 * @since 0.1.0
 */
export * as FileLock from "./FileLock.ts"

/**
 * @since 0.1.0
 */
export * as Login from "./Login.ts"

/**
 * @since 0.1.0
 */
export * as LoginInteraction from "./LoginInteraction.ts"

/**
 * @since 0.1.0
 */
export * as Logout from "./Logout.ts"

/**
 * @since 0.1.0
 */
export * as OAuth from "./OAuth.ts"

/**
 * @since 0.1.0
 */
export * as Signals from "./Signals.ts"
