/**
 * Compression of request bodies (protocol C.13): used when the configuration says `compression: "zstd"` and the runtime
 * offers it, which the `/node` entry finds out.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * What the runtime can compress.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly zstd: ((bytes: Uint8Array) => Effect.Effect<Uint8Array>) | undefined
}

/**
 * The compressions of the runtime. Without a Layer for it, there are none.
 *
 * @since 0.1.0
 * @category tags
 */
export class Compression extends Context.Reference<Compression>()("@effect-codex/transport/Compression", {
  defaultValue: (): Service => ({ zstd: undefined })
}) {}

/**
 * Bodies of fewer bytes are sent as they are: 1024.
 *
 * @since 0.1.0
 * @category configuration
 */
export const minimumBytes = 1024
