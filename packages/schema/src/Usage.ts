/**
 * What a turn cost, in tokens.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"

/**
 * The wire's `usage` object (protocol D.4). Details may be `null` or absent; the total may be absent.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WireUsage = Wire.object({
  input_tokens: Wire.count,
  input_tokens_details: Wire.nullish(
    Wire.object({ cached_tokens: Wire.nullish(Wire.count), cache_write_tokens: Wire.nullish(Wire.count) })
  ),
  output_tokens: Wire.count,
  output_tokens_details: Wire.nullish(Wire.object({ reasoning_tokens: Wire.nullish(Wire.count) })),
  total_tokens: Wire.nullish(Wire.count)
})

/**
 * @since 0.1.0
 * @category models
 */
export type WireUsage = typeof WireUsage.Type

/**
 * Tokens of one turn. `inputTokens` includes the cached and the cache-write ones; `outputTokens` includes the
 * reasoning ones.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Usage = Schema.Struct({
  inputTokens: Wire.count,
  cachedTokens: Wire.count,
  cacheWriteTokens: Wire.count,
  outputTokens: Wire.count,
  reasoningTokens: Wire.count,
  totalTokens: Wire.count
})

/**
 * @since 0.1.0
 * @category models
 */
export type Usage = typeof Usage.Type

/**
 * The usage in plain names; what is absent counts as 0, and a missing total is the sum.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromWire = (wire: WireUsage): Usage => ({
  inputTokens: wire.input_tokens,
  cachedTokens: wire.input_tokens_details?.cached_tokens ?? 0,
  cacheWriteTokens: wire.input_tokens_details?.cache_write_tokens ?? 0,
  outputTokens: wire.output_tokens,
  reasoningTokens: wire.output_tokens_details?.reasoning_tokens ?? 0,
  totalTokens: wire.total_tokens ?? wire.input_tokens + wire.output_tokens
})

/**
 * Two usages added up, for a run of several requests.
 *
 * @since 0.1.0
 * @category combinators
 */
export const add = (a: Usage, b: Usage): Usage => ({
  inputTokens: a.inputTokens + b.inputTokens,
  cachedTokens: a.cachedTokens + b.cachedTokens,
  cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  reasoningTokens: a.reasoningTokens + b.reasoningTokens,
  totalTokens: a.totalTokens + b.totalTokens
})

/**
 * No tokens at all.
 *
 * @since 0.1.0
 * @category constructors
 */
export const zero: Usage = {
  inputTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  totalTokens: 0
}
