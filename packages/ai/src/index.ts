/**
 * A language model of `@effect/ai` for the ChatGPT Codex backend.
 *
 * @since 0.1.0
 */
export * as CodexLanguageModel from "./CodexLanguageModel.ts"
export type * as CodexMetadata from "./CodexMetadata.ts"
export * as CodexPrompt from "./CodexPrompt.ts"
export * as CodexTool from "./CodexTool.ts"
