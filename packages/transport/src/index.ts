/**
 * Sends requests to the Codex backend, with typed errors.
 *
 * @since 0.1.0
 */
export * as Carrier from "./Carrier.ts"
export * as CodexConfig from "./CodexConfig.ts"
export * as CodexTransport from "./CodexTransport.ts"
export * as Compression from "./Compression.ts"
export * as ConversationId from "./ConversationId.ts"
export * as EncryptedReasoning from "./EncryptedReasoning.ts"
export * as ErrorResponse from "./ErrorResponse.ts"
export * as FailureCapture from "./FailureCapture.ts"
export * as Headers from "./Headers.ts"
export * as Metrics from "./Metrics.ts"
export * as RateLimitWatch from "./RateLimitWatch.ts"
export * as Reader from "./Reader.ts"
export * as RetryPolicy from "./RetryPolicy.ts"
export * as Tracing from "./Tracing.ts"
export * as TransportError from "./TransportError.ts"
export * as WebSocketConnector from "./WebSocketConnector.ts"
export * as WorkspaceRouting from "./WorkspaceRouting.ts"
