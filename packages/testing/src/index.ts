/**
 * A Codex backend in a box, for tests and for a first look without a login. The part over real sockets is
 * `@effect-codex/testing/node`.
 *
 * @since 0.1.0
 */
export * as Cassette from "./Cassette.ts"
export * as Demo from "./Demo.ts"
export * as Expectation from "./Expectation.ts"
export * as Generators from "./Generators.ts"
export * as PromptCache from "./PromptCache.ts"
export * as Recorder from "./Recorder.ts"
export * as Replay from "./Replay.ts"
export * as Request from "./Request.ts"
export * as Script from "./Script.ts"
export * as ScriptedBackend from "./ScriptedBackend.ts"
export * as StrictBackend from "./StrictBackend.ts"
export * as TestAuth from "./TestAuth.ts"
export * as TestCodex from "./TestCodex.ts"
