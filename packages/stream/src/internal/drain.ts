import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** How much is taken at once at the most, so that a fast producer cannot fill the memory. */
const maxBytes = 256 * 1024

/**
 * How many microtasks a chunk that is "already waiting" may take to appear. Iterables answer within a few; what takes
 * longer waits for the outside world, and then what is there goes on at once.
 */
const maxTicks = 16

/**
 * Pulls from an async iterable: each pull waits for one chunk and takes along those that are ready behind it.
 * `undefined` is the end. The iterable is told to stop when the scope closes.
 */
export const drain = <E>(
  body: AsyncIterable<Uint8Array>,
  onError: (cause: unknown) => E
): Effect.Effect<Effect.Effect<ReadonlyArray<Uint8Array> | undefined, E>, E, Scope.Scope> =>
  Effect.gen(function* () {
    const iterator = yield* Effect.try({ try: () => body[Symbol.asyncIterator](), catch: onError })
    let ended = false
    let failure: { readonly cause: unknown } | undefined
    let ready: Array<Uint8Array> = []
    let size = 0
    let ticks = 0
    let asking = false
    let waiting: ((pulled: Effect.Effect<ReadonlyArray<Uint8Array> | undefined, E>) => void) | undefined

    const flush = () => {
      const resume = waiting
      if (resume === undefined) return
      waiting = undefined
      if (ready.length > 0) {
        const chunks = ready
        ready = []
        size = 0
        resume(Effect.succeed(chunks))
      } else if (failure !== undefined) resume(Effect.fail(onError(failure.cause)))
      else resume(Effect.succeed(undefined))
    }
    const tick = () => {
      if (waiting === undefined) return
      if (ticks-- > 0) queueMicrotask(tick)
      else if (ready.length > 0) flush()
    }
    const onNext = (result: IteratorResult<Uint8Array>) => {
      asking = false
      if (result.done === true) {
        ended = true
        return flush()
      }
      ready.push(result.value)
      size += result.value.length
      if (waiting === undefined) return
      if (size >= maxBytes) return flush()
      ask()
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
        iterator.next().then(onNext, onFailure)
      } catch (cause) {
        onFailure(cause)
      }
    }

    yield* Effect.addFinalizer(() =>
      Effect.try(() => {
        waiting = undefined
        // not waited for: a generator that is itself waiting answers only after that
        if (!ended) iterator.return?.().then(undefined, () => {})
      }).pipe(Effect.ignore)
    )
    return Effect.async<ReadonlyArray<Uint8Array> | undefined, E>((resume) => {
      waiting = resume
      if (ended) return flush()
      if (ready.length > 0) {
        ticks = maxTicks
        tick()
      } else ticks = 0
      ask()
    })
  })
