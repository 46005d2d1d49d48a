/**
 * Decodes a turn's bytes to an Effect `Stream` of its events, with operators for such streams.
 *
 * A standalone entry point for bytes from any source. The `effect-codex` client uses {@link TurnDecoder} directly.
 *
 * Each chunk of bytes is decoded in one synchronous pass and emitted as one chunk of events. The stream ends with the
 * terminal event; it does not wait for the end of the body.
 *
 * @since 0.1.0
 */
import { Failure, type Turn, type TurnEvent } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { readInto } from "./internal/asyncBody.ts"
import { decodeWith } from "./internal/channel.ts"
import * as Pulling from "./Pulling.ts"
import type { StreamError } from "./StreamError.ts"
import { StreamTruncated } from "./StreamError.ts"
import * as TurnDecoder from "./TurnDecoder.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Pick<TurnDecoder.Options, "maxEventSize" | "maxTurnSize"> {}

const makeDecoder = (options: Options | undefined): Effect.Effect<TurnDecoder.TurnDecoder> =>
  Effect.map(
    Effect.clock,
    (clock) => new TurnDecoder.TurnDecoder({ ...options, now: () => clock.unsafeCurrentTimeMillis() })
  )

/**
 * Decodes bytes to turn events. Fails if the stream is damaged or truncated, or if the backend reports an error; the
 * failure follows all earlier events and carries the partial turn.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { TurnStream } from "@effect-codex/stream"
 * import * as Stream from "effect/Stream"
 *
 * declare const body: Stream.Stream<Uint8Array>
 *
 * export const text = body.pipe(TurnStream.decode(), TurnStream.textStream)
 * ```
 */
export const decode =
  (options?: Options) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<TurnEvent.TurnEvent, E | StreamError, R> =>
    decodeWith(self, makeDecoder(options))

/**
 * Like {@link decode}, for an async iterable (a Node readable, a web `ReadableStream`, a generator). Chunks that are
 * already available are decoded together, up to a limit, so many small chunks cost little more than a few large ones; a
 * single chunk is emitted at once. `onError` maps errors of the iterable.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromAsyncIterable = <E>(
  body: AsyncIterable<Uint8Array>,
  onError: (cause: unknown) => E,
  options?: Options
): Stream.Stream<TurnEvent.TurnEvent, E | StreamError> =>
  Pulling.toStream(
    Effect.map(makeDecoder(options), (decoder) => {
      const { pull, stop } = readInto(body, decoder, onError)
      const next: Effect.Effect<ReadonlyArray<TurnEvent.TurnEvent>, E | StreamError> = Effect.suspend(() => {
        if (decoder.done) return decoder.failure === undefined ? Effect.succeed([]) : Effect.fail(decoder.failure)
        return Effect.flatMap(pull, (events) => (events.length > 0 ? Effect.succeed(events) : next))
      })
      return { pull: next, close: stop }
    })
  )

/**
 * Decodes an async iterable to its finished turn, without the overhead of a stream.
 *
 * @since 0.1.0
 * @category combinators
 */
export const foldAsyncIterable = <E>(
  body: AsyncIterable<Uint8Array>,
  onError: (cause: unknown) => E,
  options?: Options
): Effect.Effect<Turn.Turn, E | StreamError> =>
  Effect.flatMap(makeDecoder(options), (decoder) => {
    const { pull, stop } = readInto(body, decoder, onError, true)
    return Effect.whileLoop({ while: () => !decoder.done, body: () => pull, step: () => {} }).pipe(
      Effect.ensuring(stop),
      Effect.flatMap(() => finished(decoder))
    )
  })

const finished = (decoder: TurnDecoder.TurnDecoder): Effect.Effect<Turn.Turn, StreamError> =>
  decoder.turn !== undefined ? Effect.succeed(decoder.turn) : Effect.fail(decoder.failure ?? decoder.truncated())

/**
 * Runs a stream of turn events and returns the finished turn.
 *
 * @since 0.1.0
 * @category combinators
 */
export const collect = <E, R>(
  self: Stream.Stream<TurnEvent.TurnEvent, E, R>
): Effect.Effect<Turn.Turn, E | StreamTruncated, R> =>
  Effect.scoped(
    Effect.flatMap(Stream.toPull(self), (pull) => {
      let turn: Turn.Turn | undefined
      let events = 0
      let over = false
      const next = Effect.matchEffect(pull, {
        onSuccess: (chunk) => {
          events += chunk.length
          for (const event of chunk) if (event._tag === "TurnCompleted") turn = event.turn
          over = turn !== undefined
          return Effect.void
        },
        onFailure: (failure) => {
          over = true
          return Option.isSome(failure) ? Effect.fail(failure.value) : Effect.void
        }
      })
      return Effect.whileLoop({ while: () => !over, body: () => next, step: () => {} }).pipe(
        Effect.flatMap(() =>
          turn === undefined
            ? Effect.fail(new StreamTruncated({ bytes: 0, events }, Failure.trusted))
            : Effect.succeed(turn)
        )
      )
    })
  )

/**
 * The text deltas of the answer, never empty.
 *
 * @since 0.1.0
 * @category combinators
 */
export const textStream = <E, R>(self: Stream.Stream<TurnEvent.TurnEvent, E, R>): Stream.Stream<string, E, R> =>
  Stream.filterMap(self, (event) => (event._tag === "TextDelta" ? Option.some(event.delta) : Option.none()))

/**
 * The executable tool calls. They are emitted at the end of the turn, because only a completed turn's calls may be
 * executed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toolCalls = <E, R>(self: Stream.Stream<TurnEvent.TurnEvent, E, R>): Stream.Stream<Turn.ToolCall, E, R> =>
  Stream.mapConcat(self, (event) => (event._tag === "TurnCompleted" ? event.turn.toolCalls : []))
