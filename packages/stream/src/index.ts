/**
 * Decodes bytes to server-sent events and typed turn events: a synchronous core, and an Effect `Stream` API.
 *
 * @since 0.1.0
 */
export * as Pulling from "./Pulling.ts"
export * as Sse from "./Sse.ts"
export * as StreamError from "./StreamError.ts"
export * as TurnDecoder from "./TurnDecoder.ts"
export * as TurnState from "./TurnState.ts"
export * as TurnStream from "./TurnStream.ts"
export * as Utf8 from "./Utf8.ts"
