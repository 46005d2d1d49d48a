/**
 * Every type on the wire and every type shown, as Effect Schemas, and the pure functions between them.
 *
 * @since 0.1.0
 */
export * as Item from "./Item.ts"
export * as RateLimits from "./RateLimits.ts"
export * as Redaction from "./Redaction.ts"
export * as ResponseEvent from "./ResponseEvent.ts"
export * as ServiceError from "./ServiceError.ts"
export * as Turn from "./Turn.ts"
export * as TurnEvent from "./TurnEvent.ts"
export * as Usage from "./Usage.ts"
