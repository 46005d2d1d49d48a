/**
 * Every type on the wire and every type shown, as Effect Schemas, and the pure functions between them.
 *
 * @since 0.1.0
 */
export * as Defined from "./Defined.ts"
export * as FailedExchange from "./FailedExchange.ts"
export * as Failure from "./Failure.ts"
export * as Guard from "./Guard.ts"
export * as History from "./History.ts"
export * as Item from "./Item.ts"
export * as JsonSchema from "./JsonSchema.ts"
export * as Message from "./Message.ts"
export * as Model from "./Model.ts"
export * as ModelCatalogue from "./ModelCatalogue.ts"
export * as OutputFormat from "./OutputFormat.ts"
export * as PromptPrefix from "./PromptPrefix.ts"
export * as RateLimits from "./RateLimits.ts"
export * as Redaction from "./Redaction.ts"
export * as ResponseEvent from "./ResponseEvent.ts"
export * as ResponsesRequest from "./ResponsesRequest.ts"
export * as RoutingToken from "./RoutingToken.ts"
export * as ServiceError from "./ServiceError.ts"
export * as Tool from "./Tool.ts"
export * as ToolSpec from "./ToolSpec.ts"
export * as Turn from "./Turn.ts"
export * as TurnEvent from "./TurnEvent.ts"
export * as TurnRequest from "./TurnRequest.ts"
export * as Usage from "./Usage.ts"
