/** Reads a body that is an async iterable, and batches chunks that are already available. */
import * as Effect from "effect/Effect"
import type { SyncDecoder } from "./channel.ts"

/** The maximum number of bytes per batch, so that a fast producer cannot exhaust memory. */
const maxBytes = 256 * 1024

/**
 * The maximum number of microtask ticks until an available chunk arrives. Iterables need only a few; after more, the
 * source is waiting for I/O, and the batch is emitted.
 */
const maxTicks = 16

const settled = Promise.resolve()

/** A running read of a body. */
export interface Reading<A, E> {
  /**
   * Waits for a chunk, adds the chunks already available after it, and returns the events they complete. Must not run
   * concurrently, nor after the decoder is done.
   */
  readonly pull: Effect.Effect<ReadonlyArray<A>, E>
  /** Asks the body to stop, without waiting for it: a suspended generator would answer only after its own wait. */
  readonly stop: Effect.Effect<void>
}

/**
 * Reads the body into a decoder. `onError` maps errors of the body. With `patient`, a pull waits until the decoder is
 * done or the batch is full, for callers that only need the result.
 */
export const readInto = <A, E>(
  body: AsyncIterable<Uint8Array>,
  decoder: SyncDecoder<A, unknown>,
  onError: (cause: unknown) => E,
  patient = false
): Reading<A, E> => {
  let iterator: AsyncIterator<Uint8Array> | undefined
  let ended = false
  let failure: { readonly cause: unknown } | undefined
  let events: Array<A> = []
  let bytes = 0
  let ticks = 0
  let asking = false
  let waiting: ((pulled: Effect.Effect<ReadonlyArray<A>, E>) => void) | undefined

  const flush = () => {
    const resume = waiting
    if (resume === undefined) return
    waiting = undefined
    if (failure !== undefined && events.length === 0) return resume(Effect.fail(onError(failure.cause)))
    const taken = events
    events = []
    bytes = 0
    resume(Effect.succeed(taken))
  }
  const take = (next: ReadonlyArray<A>) => {
    if (events.length === 0) events = next.slice()
    else for (const event of next) events.push(event)
  }
  const tick = () => {
    if (waiting === undefined) return
    if (ticks-- > 0) settled.then(tick)
    else if (bytes > 0) flush()
  }
  const onNext = (result: IteratorResult<Uint8Array>) => {
    asking = false
    if (result.done === true) {
      ended = true
      take(decoder.end())
      return flush()
    }
    take(decoder.push(result.value))
    bytes += result.value.length
    if (waiting === undefined) return
    if (decoder.done || bytes >= maxBytes) return flush()
    ask()
    if (patient) return
    const idle = ticks <= 0
    ticks = maxTicks
    if (idle) tick()
  }
  const onFailure = (cause: unknown) => {
    asking = false
    ended = true
    failure = { cause }
    flush()
  }
  const ask = () => {
    if (asking) return
    asking = true
    try {
      iterator ??= body[Symbol.asyncIterator]()
      iterator.next().then(onNext, onFailure)
    } catch (cause) {
      onFailure(cause)
    }
  }

  return {
    pull: Effect.async((resume) => {
      waiting = resume
      if (ended || decoder.done) return flush()
      ticks = 0
      if (bytes > 0 && !patient) {
        ticks = maxTicks
        tick()
      }
      ask()
    }),
    stop: Effect.ignore(
      Effect.try(() => {
        waiting = undefined
        if (!ended) iterator?.return?.().then(undefined, () => {})
      })
    )
  }
}
