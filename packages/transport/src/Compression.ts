/**
 * Compression of request bodies (protocol C.13), used if the configuration has `compression: "zstd"` and the runtime
 * supports it, which the `/node` entry detects.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * The compressions the runtime supports.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly zstd: ((bytes: Uint8Array) => Effect.Effect<Uint8Array>) | undefined
}

/**
 * The compressions the runtime supports; none without a Layer.
 *
 * @since 0.1.0
 * @category tags
 */
export class Compression extends Context.Reference<Compression>()("@effect-codex/transport/Compression", {
  defaultValue: (): Service => ({ zstd: undefined })
}) {}

/**
 * The minimum size of compressed bodies: 1024. Smaller bodies are sent uncompressed.
 *
 * @since 0.1.0
 * @category configuration
 */
export const minimumBytes = 1024
