/**
 * An Effect-native client of the ChatGPT Codex backend.
 *
 * @since 0.1.0
 */
export * as Codex from "./Codex.ts"
export * as CodexError from "./CodexError.ts"
