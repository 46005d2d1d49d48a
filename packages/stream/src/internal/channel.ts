/** Streams built on Effect channels. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Pulling } from "../Pulling.ts"

/** A synchronous decoder of one byte stream. When it is `done`, it has succeeded unless `failure` is set. */
export interface SyncDecoder<A, E> {
  push(chunk: Uint8Array): ReadonlyArray<A>
  end(): ReadonlyArray<A>
  readonly done: boolean
  readonly failure: E | undefined
}

type Emitting<A, E, In = unknown, InE = unknown> = Channel.Channel<Chunk.Chunk<A>, In, E, InE, unknown, unknown>

/** Wraps the array without copying; it must not be mutated afterwards. */
const chunkOf = <A>(array: ReadonlyArray<A>): Chunk.Chunk<A> => Chunk.unsafeFromArray(array)

/** Decodes the chunks; stops when the decoder is done. */
const pushAll = <A, E>(decoder: SyncDecoder<A, E>, chunks: Iterable<Uint8Array>): ReadonlyArray<A> => {
  let events: ReadonlyArray<A> | undefined
  let joined: Array<A> | undefined
  for (const chunk of chunks) {
    const next = decoder.push(chunk)
    if (next.length > 0) {
      if (events === undefined) events = next
      else {
        joined ??= events.slice()
        for (const event of next) joined.push(event)
      }
    }
    if (decoder.done) break
  }
  return joined ?? events ?? []
}

/** Writes events as one chunk; then continues with `next`, or ends with the decoder's result. */
const emit = <A, E, In, InE>(
  events: ReadonlyArray<A>,
  decoder: SyncDecoder<unknown, E>,
  next: Emitting<A, E, In, InE>
): Emitting<A, E, In, InE> => {
  const rest: Emitting<A, E, In, InE> | undefined =
    decoder.failure !== undefined ? Channel.fail(decoder.failure) : decoder.done ? undefined : next
  if (events.length === 0) return rest ?? Channel.void
  const writing = Channel.write(chunkOf(events))
  return rest === undefined ? writing : Channel.zipRight(writing, rest)
}

/**
 * Runs a new decoder over the stream, with one synchronous pass and one emitted chunk per input chunk. Ends as soon as
 * the decoder is done, without waiting for more bytes; a failure follows all earlier events.
 */
export const decodeWith = <A, E2, E, R>(
  self: Stream.Stream<Uint8Array, E, R>,
  make: Effect.Effect<SyncDecoder<A, E2>>
): Stream.Stream<A, E | E2, R> =>
  Stream.unwrap(
    Effect.map(make, (decoder) => {
      const decoding: Emitting<A, E | E2, Chunk.Chunk<Uint8Array>, E> = Channel.readWithCause({
        onInput: (chunks: Chunk.Chunk<Uint8Array>) => emit(pushAll(decoder, chunks), decoder, decoding),
        onFailure: Channel.failCause,
        onDone: () => emit(decoder.end(), decoder, Channel.void)
      })
      return self.pipe(Stream.toChannel, Channel.pipeTo(decoding), Stream.fromChannel)
    })
  )

/** Converts batches to a stream with a single channel, so that short streams have little overhead. */
export const streamOf = <A, E, E2, R>(begin: Effect.Effect<Pulling<A, E>, E2, R>): Stream.Stream<A, E | E2, R> =>
  Stream.fromChannel(
    Channel.unwrap(
      Effect.map(begin, ({ close, pull }) => {
        const next = Channel.fromEffect(pull)
        const rest: Emitting<A, E> = Channel.flatMap(next, (batch) =>
          batch.length === 0 ? Channel.void : Channel.zipRight(Channel.write(chunkOf(batch)), rest)
        )
        return Channel.ensuring(rest, close)
      })
    )
  )
