/** The one place of the client that builds a Stream by hand: each batch is one chunk, at little more than its own cost. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Pulling } from "./restart.ts"

/** The batches as a stream. It is closed however the stream ends. */
export const fromPull = <A, E, R>(begin: Effect.Effect<Pulling<A, E>, E, R>): Stream.Stream<A, E, R> =>
  Stream.fromChannel(
    Channel.unwrap(
      Effect.map(begin, ({ close, pull }) => {
        const next = Channel.fromEffect(pull)
        const rest: Channel.Channel<Chunk.Chunk<A>, unknown, E, unknown, void> = Channel.flatMap(next, (batch) =>
          batch.length === 0 ? Channel.void : Channel.zipRight(Channel.write(Chunk.unsafeFromArray(batch)), rest)
        )
        return Channel.ensuring(rest, close)
      })
    )
  )
