/**
 * Values that are taken batch by batch, at less cost than those of a `Stream`, and the one place that makes a `Stream` of
 * them.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { streamOf } from "./internal/channel.ts"

/**
 * `pull` gives the next batch; an empty one is the end. `close` can be run at any time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pulling<out A, out E> {
  readonly pull: Effect.Effect<ReadonlyArray<A>, E>
  readonly close: Effect.Effect<void>
}

/**
 * The values as a stream: each batch is one chunk. It is closed however the stream ends.
 *
 * @since 0.1.0
 * @category conversions
 * @example
 * ```ts
 * import { Pulling } from "@effect-codex/stream"
 * import * as Effect from "effect/Effect"
 *
 * const batches = [[1, 2], [3]]
 *
 * export const numbers = Pulling.toStream(
 *   Effect.succeed({ pull: Effect.sync(() => batches.shift() ?? []), close: Effect.void })
 * )
 * ```
 */
export const toStream: <A, E, E2, R>(begin: Effect.Effect<Pulling<A, E>, E2, R>) => Stream.Stream<A, E | E2, R> =
  streamOf
