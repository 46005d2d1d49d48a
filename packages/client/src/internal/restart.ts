/** Retries a source of batches: a failed attempt can be replaced by a new one. */
import type { Pulling } from "@effect-codex/stream"
import * as Effect from "effect/Effect"

/**
 * Runs attempts one after another as a single source. A failed attempt is closed before `restart` runs. `restart` waits
 * for the retry delay and returns the values that announce the next attempt, or fails.
 */
export const restarting = <A, E, Attempt extends Pulling.Pulling<A, E>>(options: {
  /** Creates the attempt with this number, starting at 1. It does nothing before it is pulled. */
  readonly attempt: (number: number) => Attempt
  readonly restart: (error: E, failed: Attempt) => Effect.Effect<ReadonlyArray<A>, E>
}): Pulling.Pulling<A, E> => {
  let current: Attempt | undefined
  let attempts = 0
  const close = Effect.suspend(() => {
    const attempt = current
    current = undefined
    return attempt === undefined ? Effect.void : attempt.close
  })
  const pull: Effect.Effect<ReadonlyArray<A>, E> = Effect.suspend(() => {
    current ??= options.attempt(++attempts)
    const attempt = current
    return Effect.catchAll(attempt.pull, (error) =>
      Effect.flatMap(Effect.zipRight(close, options.restart(error, attempt)), (announced) =>
        announced.length > 0 ? Effect.succeed(announced) : pull
      )
    )
  })
  return { pull, close }
}
