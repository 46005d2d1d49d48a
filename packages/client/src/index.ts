/**
 * An Effect-native client of the ChatGPT Codex backend.
 *
 * @since 0.1.0
 */
export { CodexAuth } from "@effect-codex/auth"
export {
  Failure,
  History,
  Item,
  Message,
  ModelCatalogue,
  OutputFormat,
  RateLimits,
  ServiceError,
  Tool,
  Turn,
  TurnEvent,
  Usage
} from "@effect-codex/schema"
export { Carrier, CodexConfig, FailureCapture, RateLimitWatch, RetryPolicy } from "@effect-codex/transport"
export * as Catalogue from "./Catalogue.ts"
export * as ClientEvent from "./ClientEvent.ts"
export * as Codex from "./Codex.ts"
export * as CodexError from "./CodexError.ts"
export * as Conversation from "./Conversation.ts"
export * as Doctor from "./Doctor.ts"
export * as Snapshot from "./Snapshot.ts"
export * as ToolError from "./ToolError.ts"
export * as Toolkit from "./Toolkit.ts"
export * as ToolLoop from "./ToolLoop.ts"
