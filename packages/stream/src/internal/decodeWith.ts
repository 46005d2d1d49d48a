import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Stream from "effect/Stream"

/** A synchronous decoder of one byte stream. Once it is `done` it is over: with its `failure`, or well. */
export interface SyncDecoder<A, E> {
  push(chunk: Uint8Array): ReadonlyArray<A>
  end(): ReadonlyArray<A>
  readonly done: boolean
  readonly failure: E | undefined
}

/** Everything the chunks complete; stops at the one that ends the decoder. */
export const pushAll = <A, E>(decoder: SyncDecoder<A, E>, chunks: Iterable<Uint8Array>): ReadonlyArray<A> => {
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

/**
 * Runs a new decoder over the stream, one synchronous pass and one emitted chunk for each chunk that comes in. Ends as
 * soon as the decoder is done, without waiting for more bytes; a failure comes after the events before it.
 */
export const decodeWith = <A, E2, E, R>(
  self: Stream.Stream<Uint8Array, E, R>,
  make: () => SyncDecoder<A, E2>
): Stream.Stream<A, E | E2, R> =>
  Stream.suspend(() => {
    type Decoding = Channel.Channel<Chunk.Chunk<A>, Chunk.Chunk<Uint8Array>, E | E2, E, void, unknown>
    const decoder = make()
    const emit = (events: ReadonlyArray<A>, next: Decoding): Decoding =>
      events.length === 0 ? next : Channel.zipRight(Channel.write(Chunk.unsafeFromArray(events)), next)
    const over: Decoding = Channel.suspend(() =>
      decoder.failure === undefined ? Channel.void : Channel.fail(decoder.failure)
    )
    const decoding: Decoding = Channel.readWithCause({
      onInput: (chunks: Chunk.Chunk<Uint8Array>) => {
        const events = pushAll(decoder, chunks)
        return emit(events, decoder.done ? over : decoding)
      },
      onFailure: Channel.failCause,
      onDone: () => emit(decoder.end(), over)
    })
    return self.pipe(Stream.toChannel, Channel.pipeTo(decoding), Stream.fromChannel)
  })
