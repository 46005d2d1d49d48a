/** Everything that is made of Effect's channels. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Pulling } from "../Pulling.ts"

/** A synchronous decoder of one byte stream. Once it is `done` it is over: with its `failure`, or well. */
export interface SyncDecoder<A, E> {
  push(chunk: Uint8Array): ReadonlyArray<A>
  end(): ReadonlyArray<A>
  readonly done: boolean
  readonly failure: E | undefined
}

type Emitting<A, E, In = unknown, InE = unknown> = Channel.Channel<Chunk.Chunk<A>, In, E, InE, unknown, unknown>

/** The array itself as a chunk; it must not change any more. */
const chunkOf = <A>(array: ReadonlyArray<A>): Chunk.Chunk<A> => Chunk.unsafeFromArray(array)

/** Everything the chunks complete; stops at the one that ends the decoder. */
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

/** Writes events as one chunk; then goes on with `next`, or ends as the decoder has ended. */
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
 * Runs a new decoder over the stream, one synchronous pass and one emitted chunk for each chunk that comes in. Ends as
 * soon as the decoder is done, without waiting for more bytes; a failure comes after the events before it.
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

/** The batches as a stream: one channel and few steps, so that a short one costs little more than starting a stream. */
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
