/**
 * A pull-based source of batches, cheaper than a `Stream`, and its conversion to a `Stream`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { streamOf } from "./internal/channel.ts"

/**
 * `pull` returns the next batch; an empty batch is the end. `close` can be run at any time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pulling<out A, out E> {
  readonly pull: Effect.Effect<ReadonlyArray<A>, E>
  readonly close: Effect.Effect<void>
}

/**
 * Converts the source to a stream with one chunk per batch. `close` runs however the stream ends.
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
