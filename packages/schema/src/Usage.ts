/**
 * Token usage of a turn.
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
 * Tokens of one turn. `inputTokens` includes cached and cache-write tokens; `outputTokens` includes reasoning tokens.
 * `extra` holds all other keys of the server's `usage` (`attribution`, `codex_rollout_budget_units`, …), unchanged; it
 * is absent if there are none.
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
  totalTokens: Wire.count,
  extra: Wire.optional(Wire.object({}))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Usage extends Schema.Schema.Type<typeof Usage> {}

type Raw = Readonly<Record<string, unknown>>

const asObject = (value: unknown): Raw =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : {}

const asCount = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined

/** The known keys of the wire's usage, and those of its details. */
const known: ReadonlyMap<string, ReadonlyMap<string, undefined> | undefined> = new Map([
  ["input_tokens", undefined],
  ["output_tokens", undefined],
  ["total_tokens", undefined],
  [
    "input_tokens_details",
    new Map([
      ["cached_tokens", undefined],
      ["cache_write_tokens", undefined]
    ])
  ],
  ["output_tokens_details", new Map([["reasoning_tokens", undefined]])]
])

/** The unknown keys, unchanged. */
const extraOf = (raw: Raw, read: typeof known): Raw | undefined => {
  let extra: Array<[string, unknown]> | undefined
  for (const key in raw) {
    const details = read.get(key)
    const value = details !== undefined ? extraOf(asObject(raw[key]), details) : read.has(key) ? undefined : raw[key]
    if (value === undefined || value === null) continue
    extra ??= []
    extra.push([key, value])
  }
  return extra && Object.fromEntries(extra)
}

/**
 * Decodes the wire's usage, or returns `undefined` if the input or output count is missing. Other counts that are
 * absent or invalid are 0, and a missing total is the sum.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromWire = (wire: unknown): Usage | undefined => {
  const raw = asObject(wire)
  const inputTokens = asCount(raw["input_tokens"])
  const outputTokens = asCount(raw["output_tokens"])
  if (inputTokens === undefined || outputTokens === undefined) return undefined
  const input = asObject(raw["input_tokens_details"])
  const extra = extraOf(raw, known)
  return {
    inputTokens,
    cachedTokens: asCount(input["cached_tokens"]) ?? 0,
    cacheWriteTokens: asCount(input["cache_write_tokens"]) ?? 0,
    outputTokens,
    reasoningTokens: asCount(asObject(raw["output_tokens_details"])["reasoning_tokens"]) ?? 0,
    totalTokens: asCount(raw["total_tokens"]) ?? inputTokens + outputTokens,
    ...(extra !== undefined && { extra })
  }
}

/**
 * Adds two usages, for several requests. Of unknown keys, the later value is kept.
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
  totalTokens: a.totalTokens + b.totalTokens,
  ...((a.extra !== undefined || b.extra !== undefined) && { extra: { ...a.extra, ...b.extra } })
})

/**
 * Zero tokens.
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
